import type { AnyTable } from '../../../core/contracts/tables.ts';
import { columnType, SEARCH_COLUMN, TOKEN_COLUMN, tokensTable } from '../physical.ts';
import { encode } from '../query/codec.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { type ChangeSet, changeSets, columnOf, tokensOf, valueIn, type WrittenRow } from './change-set.ts';
import type { TableChanges } from './write-buffer.ts';

const quoted = (name: string): string => `"${name}"`;
const list = (names: readonly string[]): string => names.map(quoted).join(', ');

/** Texts by what is written in them: a service writes in few ways. */
const texts = new Map<string, string>();
const MOST_TEXTS = 1_000;

function textOf(shape: string, make: () => string): string {
  let text = texts.get(shape);
  if (text === undefined) {
    if (texts.size >= MOST_TEXTS) texts.clear();
    text = make();
    texts.set(shape, text);
  }
  return text;
}

/** The statements that make these changes; no two of them are of one row or one unique key, so their order is free. */
export function changeStatements(dialect: SqlDialect, changes: readonly TableChanges[]): readonly Statement[] {
  const sets = changes.flatMap(changeSets);
  if (sets.length === 0) return [];
  return dialect === 'sqlite' ? sets.flatMap(sqliteStatements) : [postgresStatement(sets)];
}

/** In SQLite so many rows that are written alike go together; those that are left go one by one. */
const SQLITE_ROWS = 32;

function sqliteStatements(set: ChangeSet): readonly Statement[] {
  const { rows, shape } = set;
  const statements: Statement[] = [];
  let sent = 0;
  for (; sent + SQLITE_ROWS <= rows.length; sent += SQLITE_ROWS)
    statements.push({
      sql: textOf(`sqlite ${shape} many`, () => sqliteRowsText(set)),
      parameters: rows.slice(sent, sent + SQLITE_ROWS).flatMap((row) => parametersOf('sqlite', set, row, set.columns)),
    });
  for (const row of rows.slice(sent))
    statements.push({
      sql: textOf(`sqlite ${shape}`, () => rowText(set, () => '?')),
      parameters: rowParameters('sqlite', set, row),
    });
  return set.search ? [...statements, ...tokenStatements(set)] : statements;
}

function sqliteRowsText({ table, kind, columns }: ChangeSet): string {
  const name = quoted(table.name);
  const row = `(${columns.map(() => '?').join(', ')})`;
  const values = `VALUES ${Array(SQLITE_ROWS).fill(row).join(', ')}`;
  if (kind === 'insert') return `INSERT INTO ${name} (${list(columns)}) ${values}`;
  if (kind === 'delete') return `DELETE FROM ${name} WHERE (${list(columns)}) IN (${values})`;
  const pairs = columns.map((column, i) => [quoted(column), `"new"."column${i + 1}"`] as const);
  const keys = table.primaryKey.length;
  const isSame = pairs.slice(0, keys).map(([column, value]) => `"old".${column} = ${value}`);
  const changes = pairs.slice(keys).map(([column, value]) => `${column} = ${value}`);
  return `UPDATE ${name} AS "old" SET ${changes.join(', ')} FROM (${values}) AS "new" WHERE ${isSame.join(' AND ')}`;
}

/** In SQLite so many tokens go together: nothing else of the process runs while one statement does. */
const SQLITE_TOKENS = 500;

/** The tokens of all rows of a set, as JSON, which holds texts and keys exactly. */
function tokenStatements({ table, kind, rows }: ChangeSet): readonly Statement[] {
  const name = quoted(tokensTable(table));
  const keys = rows.map(({ row }) =>
    table.primaryKey.map((column: string) => encode('sqlite', table.columns[column], row[column]!)),
  );
  const values = table.primaryKey.map((_: string, i: number) => `value ->> ${i}`).join(', ');
  const statements: Statement[] = [];
  if (kind !== 'insert')
    statements.push({
      sql: `DELETE FROM ${name} WHERE (${list(table.primaryKey)}) IN (SELECT ${values} FROM json_each(?))`,
      parameters: [JSON.stringify(keys)],
    });
  if (kind === 'delete') return statements;
  const tokens = rows.flatMap(({ row }, i) => tokensOf(table, row).map((token) => [token, ...keys[i]!] as const));
  // As they stand in the table, so that neighbours are written together.
  tokens.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const written = table.primaryKey.map((_: string, i: number) => `value ->> ${i + 1}`).join(', ');
  for (let from = 0; from < tokens.length; from += SQLITE_TOKENS)
    statements.push({
      sql:
        `INSERT INTO ${name} (${list([TOKEN_COLUMN, ...table.primaryKey])}) ` +
        `SELECT value ->> 0, ${written} FROM json_each(?)`,
      parameters: [JSON.stringify(tokens.slice(from, from + SQLITE_TOKENS))],
    });
  return statements;
}

/**
 * Everything in one statement. Several rows that are written alike are one JSON text, so that the statement's text depends
 * on no number of rows; one row alone is its values, which PostgreSQL takes in less time.
 */
function postgresStatement(sets: readonly ChangeSet[]): Statement {
  const shape = sets.map((set) => (set.rows.length === 1 ? set.shape : `${set.shape} many`)).join(';');
  return {
    sql: textOf(shape, () => postgresText(sets)),
    parameters: sets.flatMap((set) =>
      set.rows.length === 1 ? rowParameters('postgres', set, set.rows[0]!) : [rowsAsJson(set)],
    ),
  };
}

function postgresText(sets: readonly ChangeSet[]): string {
  let parameters = 0;
  const next = () => `$${++parameters}`;
  const parts = sets.map((set) => (set.rows.length === 1 ? rowText(set, next) : rowsText(set, next())));
  const last = parts.pop()!;
  if (parts.length === 0) return last;
  return `WITH ${parts.map((part, i) => `"$${i}" AS (${part})`).join(', ')} ${last}`;
}

const isRow = (table: AnyTable, next: () => string): string =>
  table.primaryKey.map((name: string) => `${quoted(name)} = ${next()}`).join(' AND ');

/** Whether the tokens stand in the row itself. */
const hasVector = (dialect: SqlDialect, { search, kind }: ChangeSet): boolean =>
  dialect === 'postgres' && search && kind !== 'delete';

/** The statement for one row; SQLite's parameters are all alike. */
function rowText(set: ChangeSet, next: () => string): string {
  const { table, kind, columns } = set;
  const name = quoted(table.name);
  if (kind === 'delete') return `DELETE FROM ${name} WHERE ${isRow(table, next)}`;
  const written = kind === 'insert' ? columns : columns.slice(table.primaryKey.length);
  const values = written.map(next);
  const all = [...written];
  if (hasVector(values[0] === '?' ? 'sqlite' : 'postgres', set)) {
    all.push(SEARCH_COLUMN);
    values.push(`array_to_tsvector(${next()}::text[])`);
  }
  if (kind === 'insert') return `INSERT INTO ${name} (${list(all)}) VALUES (${values.join(', ')})`;
  const changes = all.map((column, i) => `${quoted(column)} = ${values[i]}`).join(', ');
  return `UPDATE ${name} SET ${changes} WHERE ${isRow(table, next)}`;
}

/** In the order of `rowText`. */
function rowParameters(dialect: SqlDialect, set: ChangeSet, row: WrittenRow): unknown[] {
  const { table, kind, columns } = set;
  if (kind === 'delete') return parametersOf(dialect, set, row, columns);
  const parameters = parametersOf(
    dialect,
    set,
    row,
    kind === 'insert' ? columns : columns.slice(table.primaryKey.length),
  );
  if (hasVector(dialect, set)) parameters.push(tokensOf(table, row.row));
  if (kind === 'update') parameters.push(...parametersOf(dialect, set, row, table.primaryKey));
  return parameters;
}

const parametersOf = (
  dialect: SqlDialect,
  { table }: ChangeSet,
  row: WrittenRow,
  columns: readonly string[],
): unknown[] => columns.map((name) => encode(dialect, columnOf(table, name), valueIn(row, name)));

function rowsAsJson(set: ChangeSet): string {
  const { table, columns, rows } = set;
  return JSON.stringify(
    rows.map((row) => {
      const object: Record<string, unknown> = {};
      for (const name of columns) object[name] = valueIn(row, name);
      if (hasVector('postgres', set)) object[SEARCH_COLUMN] = tokensOf(table, row.row);
      return object;
    }),
  );
}

/** The statement for any number of rows. */
function rowsText(set: ChangeSet, parameter: string): string {
  const { table, kind, columns } = set;
  const all = [...columns];
  const types = columns.map((name) => `${quoted(name)} ${columnType('postgres', columnOf(table, name).type)}`);
  if (hasVector('postgres', set)) {
    all.push(SEARCH_COLUMN);
    types.push(`${quoted(SEARCH_COLUMN)} text[]`);
  }
  const rows = `json_to_recordset(${parameter}::json) AS "new" (${types.join(', ')})`;
  const value = (name: string) =>
    name === SEARCH_COLUMN ? `array_to_tsvector("new".${quoted(name)})` : `"new".${quoted(name)}`;
  if (kind === 'insert')
    return `INSERT INTO ${quoted(table.name)} (${list(all)}) SELECT ${all.map(value).join(', ')} FROM ${rows}`;
  const isSame = table.primaryKey.map((name: string) => `"old".${quoted(name)} = "new".${quoted(name)}`).join(' AND ');
  if (kind === 'delete') return `DELETE FROM ${quoted(table.name)} AS "old" USING ${rows} WHERE ${isSame}`;
  const changed = all.slice(table.primaryKey.length).map((name) => `${quoted(name)} = ${value(name)}`);
  return `UPDATE ${quoted(table.name)} AS "old" SET ${changed.join(', ')} FROM ${rows} WHERE ${isSame}`;
}
