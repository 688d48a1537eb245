import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { columnType, TIME_COLUMN } from '../physical.ts';
import { encode, selectList } from '../query/codec.ts';
import type { SqlDialect, Statement } from '../statement.ts';

const LOCKS = { share: ' FOR SHARE', update: ' FOR UPDATE' } as const;

/**
 * Reads the row of a key, of a scope with its time, and locks it where a mode is given. In SQLite there is one writer at
 * a time, which needs no lock of a row.
 */
export function rowStatement(
  dialect: SqlDialect,
  table: AnyTable,
  key: readonly Value[],
  lock?: 'share' | 'update',
): Statement {
  const columns = `${selectList(dialect, table)}${table.revision === undefined ? '' : `, "${TIME_COLUMN}"`}`;
  const isRow = table.primaryKey.map(
    (name: string, i: number) => `"${name}" = ${dialect === 'sqlite' ? '?' : `$${i + 1}`}`,
  );
  return {
    sql: `SELECT ${columns} FROM "${table.name}" WHERE ${isRow.join(' AND ')}${lock && dialect === 'postgres' ? LOCKS[lock] : ''}`,
    parameters: key.map((value, i) => encode(dialect, table.columns[table.primaryKey[i]!], value)),
  };
}

/** Locks the rows of these keys as 'update', in their order; those that exist. In PostgreSQL. */
export function lockStatement(table: AnyTable, keys: readonly (readonly Value[])[]): Statement {
  const names = table.primaryKey.map((_: string, i: number) => `"$${i}"`);
  const lists = table.primaryKey.map((name: string, i: number) => {
    const [type] = columnType('postgres', table.columns[name].type).split(' COLLATE');
    return `$${i + 1}::${type}[]`;
  });
  const isRow = table.primaryKey.map((name: string, i: number) => `"${name}" = "$${i}"`).join(' AND ');
  return {
    sql:
      `SELECT ${selectList('postgres', table)} FROM "${table.name}" JOIN unnest(${lists.join(', ')}) WITH ORDINALITY ` +
      `AS "$keys" (${names.join(', ')}, "$place") ON ${isRow} ORDER BY "$place" FOR UPDATE OF "${table.name}"`,
    parameters: table.primaryKey.map((name: string, i: number) =>
      keys.map((key) => encode('postgres', table.columns[name], key[i]!)),
    ),
  };
}

/** The greatest place in the log's order that is taken, as `seq`; null where none is. */
export const lastSeq = (changes: AnyTable): Statement => ({
  sql: `SELECT max("seq") AS "seq" FROM "${changes.name}"`,
  parameters: [],
});
