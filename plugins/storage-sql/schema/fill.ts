import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { tokens } from '../../../core/lib/tokenizer.ts';
import type { Session, SqlRow } from '../database.ts';
import { columnType, SEARCH_COLUMN, TOKEN_COLUMN, tokensTable } from '../physical.ts';
import { decode, encode } from '../query/codec.ts';
import type { SqlDialect } from '../statement.ts';
import { quoted, quotedList } from './ddl.ts';

const ROWS_AT_ONCE = 500;

/** Makes the tokens of every row of a searchable table from the texts that it has now. */
export async function fillSearch(dialect: SqlDialect, session: Session, table: AnyTable): Promise<void> {
  if (dialect === 'sqlite') await session.execute({ sql: `DELETE FROM ${quoted(tokensTable(table))}`, parameters: [] });
  const keys: readonly string[] = table.primaryKey;
  const keyOf = (row: SqlRow) =>
    keys.map((name) => encode(dialect, table.columns[name], decode(table.columns[name], row[name])) as Value);
  const write = dialect === 'postgres' ? postgresWrite(table) : sqliteWrite(table);
  let after: readonly Value[] | undefined;
  for (;;) {
    const rows = await session.execute(page(dialect, table, after));
    const last = rows.at(-1);
    if (!last) return;
    const found = rows.map((row) => ({ key: keyOf(row), tokens: tokensOf(table, row) }));
    await session.execute({ sql: write.sql, parameters: [JSON.stringify(found.flatMap(write.entries))] });
    after = keyOf(last);
  }
}

const tokensOf = (table: AnyTable, row: SqlRow): readonly string[] =>
  [
    ...new Set(table.searchable.flatMap((name: string) => (row[name] === null ? [] : tokens(String(row[name]))))),
  ] as string[];

function page(dialect: SqlDialect, table: AnyTable, after: readonly Value[] | undefined) {
  const keys: readonly string[] = table.primaryKey;
  const parameters = keys.map((_, i) => (dialect === 'postgres' ? `$${i + 1}` : '?'));
  const where = after ? ` WHERE (${quotedList(keys)}) > (${parameters.join(', ')})` : '';
  const columns = quotedList([...new Set([...keys, ...table.searchable])]);
  const sql = `SELECT ${columns} FROM ${quoted(table.name)}${where} ORDER BY ${quotedList(keys)} LIMIT ${ROWS_AT_ONCE}`;
  return { sql, parameters: after ?? [] };
}

interface Found {
  readonly key: readonly Value[];
  readonly tokens: readonly string[];
}

/** One statement for a page of rows, with one parameter: a list of these entries as JSON. */
interface Write {
  readonly sql: string;
  readonly entries: (found: Found) => readonly unknown[];
}

function postgresWrite(table: AnyTable): Write {
  const keys: readonly string[] = table.primaryKey;
  const types = keys.map((name) => `${quoted(name)} ${columnType('postgres', table.columns[name].type)}`);
  const sql =
    `UPDATE ${quoted(table.name)} AS t SET ${quoted(SEARCH_COLUMN)} = ` +
    `array_to_tsvector(ARRAY(SELECT json_array_elements_text(d.${quoted(TOKEN_COLUMN)}))) ` +
    `FROM json_to_recordset($1::json) AS d(${types.join(', ')}, ${quoted(TOKEN_COLUMN)} json) ` +
    `WHERE ${keys.map((name) => `t.${quoted(name)} = d.${quoted(name)}`).join(' AND ')}`;
  return {
    sql,
    entries: ({ key, tokens }) => [
      { ...Object.fromEntries(keys.map((name, i) => [name, key[i]])), [TOKEN_COLUMN]: tokens },
    ],
  };
}

function sqliteWrite(table: AnyTable): Write {
  const columns = [TOKEN_COLUMN, ...table.primaryKey];
  const values = columns.map((_, i) => `json_extract(value, '$[${i}]')`).join(', ');
  return {
    sql: `INSERT INTO ${quoted(tokensTable(table))} (${quotedList(columns)}) SELECT ${values} FROM json_each(?)`,
    entries: ({ key, tokens }) => tokens.map((token) => [token, ...key]),
  };
}
