import { crc32 } from 'node:zlib';
import type { Order, Value } from '../contracts/query.ts';
import { StoreError } from '../contracts/store.ts';
import type { AnyTable } from '../contracts/tables.ts';
import { checkValue } from './rows.ts';

/**
 * A cursor names a place in an ordered query: just after a row. It holds the row's values in the columns of the
 * order, so it stays good when that row is changed or deleted. The checksum covers the table and the order too, so a
 * cursor of another query is refused like a damaged one; it is no secret, and the values are checked as any input.
 */

/** All columns of the order: those asked for, then those of the primary key that are not among them. */
export function orderColumns(table: AnyTable, orderBy?: Order): readonly string[] {
  if (!orderBy) return table.primaryKey;
  return [...new Set([...orderBy.columns, ...table.primaryKey])];
}

const checksum = (table: AnyTable, columns: readonly string[], orderBy: Order | undefined, values: string): string =>
  crc32(JSON.stringify([table.name, columns, orderBy?.descending ?? false, values]))
    .toString(16)
    .padStart(8, '0');

/** The cursor that begins after this row. */
export function cursorOf(table: AnyTable, orderBy: Order | undefined, row: Readonly<Record<string, unknown>>): string {
  const columns = orderColumns(table, orderBy);
  const values = JSON.stringify(columns.map((name) => row[name]));
  return Buffer.from(checksum(table, columns, orderBy, values) + values).toString('base64url');
}

/** The values of `orderColumns`. Throws StoreError 'invalid'. */
export function readCursor(table: AnyTable, orderBy: Order | undefined, cursor: string): readonly (Value | null)[] {
  const refused = () => new StoreError('invalid', `not a cursor of this query of ${table.name}`, { table: table.name });
  if (typeof cursor !== 'string') throw refused();
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.toString('base64url') !== cursor) throw refused();
  const text = bytes.toString();
  const columns = orderColumns(table, orderBy);
  if (text.slice(0, 8) !== checksum(table, columns, orderBy, text.slice(8))) throw refused();
  try {
    const values: unknown = JSON.parse(text.slice(8));
    if (!Array.isArray(values) || values.length !== columns.length) throw refused();
    return values.map((value, i) =>
      value === null && table.columns[columns[i]!].nullable ? null : checkValue(table, columns[i]!, value),
    );
  } catch {
    throw refused();
  }
}
