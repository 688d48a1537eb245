import type { AnyTable, Column } from '../../core/contracts/tables.ts';
import { SEARCH_COLUMN, tokensTable } from '../../plugins/storage-sql/physical.ts';
import { createStatements } from '../../plugins/storage-sql/schema/ddl.ts';
import type { SqlDialect } from '../../plugins/storage-sql/statement.ts';
import type { SqlSession } from './sql-session.ts';

/** The id of the row of a number, of whatever table. */
export const idOf = (i: number): string => `00000000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`;

const idSql = (dialect: SqlDialect, i: string): string =>
  dialect === 'postgres'
    ? `('00000000-0000-7000-8000-' || lpad(to_hex(${i}), 12, '0'))::uuid`
    : `printf('00000000-0000-7000-8000-%012x', ${i})`;

/** What a row has in a column, `i` being its number; every third row has null where it may. */
function valueSql(dialect: SqlDialect, { type, nullable }: Column, alone: boolean): string {
  if (nullable) return `case when i % 3 = 0 then null else ${valueSql(dialect, { type, nullable: false }, alone)} end`;
  switch (type) {
    case 'uuid':
      return idSql(dialect, alone ? 'i' : 'i % 50');
    case 'text':
      return alone ? `'u' || i` : `'v' || (i % 20)`;
    case 'bool':
      return 'i % 2 = 0';
    case 'json':
      return dialect === 'postgres' ? `'{}'::json` : `'{}'`;
    default:
      return alone ? 'i' : 'i / 4';
  }
}

/** Creates a table with rows 1 to `count`. Each holds the words 'common', 'w<i % 1000>' and 'old' where i <= 30,000. */
export async function createWithRows(sql: SqlSession, table: AnyTable, count: number): Promise<void> {
  const { dialect } = sql;
  const [create, ...others] = createStatements(dialect, table);
  await sql.run(create!.sql);
  const keys = new Set([...table.primaryKey, ...Object.values(table.unique).map((columns) => columns.at(-1)!)]);
  const names = Object.keys(table.columns);
  const values = names.map((name) => valueSql(dialect, table.columns[name], keys.has(name)));
  const own: Record<string, string> = { version: '1' };
  if (table.searchable.length > 0 && dialect === 'postgres')
    own[SEARCH_COLUMN] =
      `array_to_tsvector(array_remove(array['common', 'w' || (i % 1000), case when i <= 30000 then 'old' end], null))`;
  const numbers =
    dialect === 'postgres'
      ? `generate_series(1, ${count}) as i`
      : `(with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count}) select i from n)`;
  const list = [...names, ...Object.keys(own)].map((name) => `"${name}"`).join(', ');
  await sql.run(
    `INSERT INTO "${table.name}" (${list}) SELECT ${[...values, ...Object.values(own)].join(', ')} FROM ${numbers}`,
  );
  for (const statement of others) await sql.run(statement.sql);
  if (table.searchable.length > 0 && dialect === 'sqlite')
    for (const [word, where] of [
      [`'common'`, ''],
      [`'w' || (i % 1000)`, ''],
      [`'old'`, ' WHERE i <= 30000'],
    ])
      await sql.run(
        `INSERT INTO "${tokensTable(table)}" ("$token", "id") SELECT ${word}, ${idSql(dialect, 'i')} FROM ${numbers}${where}`,
      );
}
