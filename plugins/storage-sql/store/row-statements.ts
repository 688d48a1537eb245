import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { TIME_COLUMN } from '../physical.ts';
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

/** The greatest place in the log's order that is taken, as `seq`; null where none is. */
export const lastSeq = (changes: AnyTable): Statement => ({
  sql: `SELECT max("seq") AS "seq" FROM "${changes.name}"`,
  parameters: [],
});
