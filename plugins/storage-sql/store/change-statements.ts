import type { AnyTable } from '../../../core/contracts/tables.ts';
import { columnType, SEARCH_COLUMN, TOKEN_COLUMN, tokensTable } from '../physical.ts';
import { encode } from '../query/codec.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { type ChangeSet, changeSets, columnOf, tokensOf, valueIn, type WrittenRow } from './change-set.ts';
import type { TableChanges } from './write-buffer.ts';

const quoted = (name: string): string => `"${name}"`;
const list = (names: readonly string[]): string => names.map(quoted).join(', ');

/** The statements that make these changes; no two of them are of one row or one unique key, so their order is free. */
export function changeStatements(dialect: SqlDialect, changes: readonly TableChanges[]): readonly Statement[] {
  const sets = changes.flatMap(changeSets);
  if (sets.length === 0) return [];
  return dialect === 'sqlite' ? sets.flatMap(sqliteStatements) : [postgresStatement(sets)];
}

/** SQLite is in the process: a statement for each row, which is prepared once. */
function sqliteStatements(set: ChangeSet): readonly Statement[] {
  return set.rows.flatMap((row) => [rowStatement(set, row), ...tokenStatements(set, row)]);
}

function rowStatement({ table, kind, columns }: ChangeSet, row: WrittenRow): Statement {
  const encoded = (names: readonly string[]) =>
    names.map((name) => encode('sqlite', columnOf(table, name), valueIn(row, name)));
  const key = encoded(table.primaryKey);
  const isRow = table.primaryKey.map((name: string) => `${quoted(name)} = ?`).join(' AND ');
  if (kind === 'delete') return { sql: `DELETE FROM ${quoted(table.name)} WHERE ${isRow}`, parameters: key };
  if (kind === 'insert')
    return {
      sql: `INSERT INTO ${quoted(table.name)} (${list(columns)}) VALUES (${columns.map(() => '?').join(', ')})`,
      parameters: encoded(columns),
    };
  const changed = columns.slice(table.primaryKey.length);
  return {
    sql: `UPDATE ${quoted(table.name)} SET ${changed.map((name) => `${quoted(name)} = ?`).join(', ')} WHERE ${isRow}`,
    parameters: [...encoded(changed), ...key],
  };
}

function tokenStatements({ table, kind, search }: ChangeSet, { row }: WrittenRow): readonly Statement[] {
  if (!search) return [];
  const name = quoted(tokensTable(table));
  const key = table.primaryKey.map((column: string) => encode('sqlite', table.columns[column], row[column]!));
  const isRow = table.primaryKey.map((column: string) => `${quoted(column)} = ?`).join(' AND ');
  const statements: Statement[] = [];
  if (kind !== 'insert') statements.push({ sql: `DELETE FROM ${name} WHERE ${isRow}`, parameters: key });
  if (kind === 'delete') return statements;
  const tokens = tokensOf(table, row);
  if (tokens.length > 0)
    statements.push({
      sql:
        `INSERT INTO ${name} (${list([...table.primaryKey, TOKEN_COLUMN])}) ` +
        `SELECT ${key.map(() => '?').join(', ')}, value FROM json_each(?)`,
      parameters: [...key, JSON.stringify(tokens)],
    });
  return statements;
}

/** Everything in one statement, the rows of each set as one JSON text, so that its text depends on no number of rows. */
function postgresStatement(sets: readonly ChangeSet[]): Statement {
  const parameters = sets.map(rowsAsJson);
  const parts = sets.map((set, i) => postgresPart(set, `$${i + 1}`));
  const last = parts.pop()!;
  if (parts.length === 0) return { sql: last, parameters };
  return { sql: `WITH ${parts.map((part, i) => `"$${i}" AS (${part})`).join(', ')} ${last}`, parameters };
}

function rowsAsJson({ table, columns, rows, search, kind }: ChangeSet): string {
  return JSON.stringify(
    rows.map((row) => {
      const object = Object.fromEntries(columns.map((name) => [name, valueIn(row, name)]));
      return search && kind !== 'delete' ? { ...object, [SEARCH_COLUMN]: tokensOf(table, row.row) } : object;
    }),
  );
}

function postgresPart({ table, kind, columns, search }: ChangeSet, parameter: string): string {
  const tokens = search && kind !== 'delete';
  const types = columns.map((name) => `${quoted(name)} ${columnType('postgres', columnOf(table, name).type)}`);
  if (tokens) types.push(`${quoted(SEARCH_COLUMN)} text[]`);
  const rows = `json_to_recordset(${parameter}::json) AS "new" (${types.join(', ')})`;
  const vector = `array_to_tsvector("new".${quoted(SEARCH_COLUMN)})`;
  const all = [...columns, ...(tokens ? [SEARCH_COLUMN] : [])];
  const value = (name: string) => (name === SEARCH_COLUMN ? vector : `"new".${quoted(name)}`);
  if (kind === 'insert')
    return `INSERT INTO ${quoted(table.name)} (${list(all)}) SELECT ${all.map(value).join(', ')} FROM ${rows}`;
  if (kind === 'delete') return `DELETE FROM ${quoted(table.name)} AS "old" USING ${rows} WHERE ${isSame(table)}`;
  const changed = all.slice(table.primaryKey.length).map((name) => `${quoted(name)} = ${value(name)}`);
  return `UPDATE ${quoted(table.name)} AS "old" SET ${changed.join(', ')} FROM ${rows} WHERE ${isSame(table)}`;
}

const isSame = (table: AnyTable): string =>
  table.primaryKey.map((name: string) => `"old".${quoted(name)} = "new".${quoted(name)}`).join(' AND ');
