import { invalidField } from '../contracts/errors.ts';
import { and, type Order, type Page, type Where } from '../contracts/query.ts';
import { isStoreError, type TableReader } from '../contracts/store.ts';
import type { AnyTable, Row } from '../contracts/tables.ts';
import { cursorOf } from './cursor.ts';
import { type FilterFields, parseFilter } from './filter.ts';
import { parseOrder } from './order.ts';
import { pageSize, readToken, writeToken } from './pages.ts';

/** A page ends before its rows pass this many bytes, so that a response fits the message limit of 4 MiB. */
export const MAX_PAGE_BYTES = 3 * 1024 * 1024;

export interface ListOptions<T extends AnyTable> {
  readonly table: T;
  readonly where?: Where | undefined;
  readonly order: Order;
  /** As requested, see pages.ts. */
  readonly pageSize: number;
  /** As requested; '' = the first page. */
  readonly pageToken: string;
  /** Names the list with its filter and order, see writeToken. */
  readonly query: string;
}

/** What a caller says of a list; the service adds its table. */
export type ListRequest = Omit<ListOptions<AnyTable>, 'table'>;

/** The fields of a List request that say which part of a list it wants. */
export interface ListFields {
  readonly pageSize: number;
  readonly pageToken: string;
  readonly orderBy: string;
  readonly filter: string;
}

/**
 * What a List request asks for. `name` tells this list's tokens from those of others; `fields` may stand in its filter and
 * `orders` in its order_by, whose first is the default; `where` is what the request's other fields ask for. `now` in
 * microseconds is what relative times in the filter count from. INVALID_ARGUMENT that names the field.
 */
export function listRequest(
  request: ListFields,
  list: {
    readonly name: string;
    readonly fields: FilterFields;
    readonly orders: Readonly<Record<string, readonly string[]>>;
    readonly where?: Where | undefined;
    readonly now?: number;
  },
): ListRequest {
  const { pageSize, pageToken, orderBy } = request;
  const { name, fields, orders, where, now } = list;
  const filter = parseFilter(request.filter, fields, now === undefined ? undefined : { now });
  const [first = []] = Object.values(orders);
  return {
    where: where && filter ? and(where, filter) : (where ?? filter),
    order: parseOrder(orderBy, orders, { columns: first }),
    pageSize,
    pageToken,
    query: JSON.stringify([name, where, orderBy, request.filter]),
  };
}

/** One page of a list. It may be short, and even empty, before the last; `nextPageToken` is '' on the last. */
export async function listPage<T extends AnyTable>(
  reader: TableReader<T>,
  options: ListOptions<T>,
): Promise<{ rows: readonly Row<T>[]; nextPageToken: string }> {
  const { table, where, order, query } = options;
  const limit = pageSize(options.pageSize);
  const after = readToken(options.pageToken, query);
  let page: Page<Row<T>>;
  try {
    page = await reader.find({
      orderBy: order,
      limit,
      ...(where === undefined ? {} : { where }),
      ...(after === undefined ? {} : { after }),
    });
  } catch (error) {
    // The cursor is what it was when the token was written; another version of the table may read it differently.
    if (after !== undefined && isStoreError(error, 'invalid'))
      throw invalidField('page_token', 'is no longer valid; begin again with an empty one');
    throw error;
  }
  const fit = fitting(page.rows);
  const next = fit < page.rows.length ? cursorOf(table, order, page.rows[fit - 1] as Row<T>) : page.next;
  return {
    rows: fit < page.rows.length ? page.rows.slice(0, fit) : page.rows,
    nextPageToken: next === undefined ? '' : writeToken(next, query),
  };
}

/** How many of the rows fit a page; at least one, so that a list always goes on. */
export function fitting(rows: readonly object[]): number {
  // Most pages are far from the bound, and to see that costs a tenth of measuring them.
  let most = 0;
  for (const row of rows) most += mostOf(row);
  if (most <= MAX_PAGE_BYTES) return rows.length;
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    bytes += sizeOf(row);
    if (bytes > MAX_PAGE_BYTES && index > 0) return index;
  }
  return rows.length;
}

/** What a column takes besides its text: its tag, a number, a time, an id. */
const COLUMN_BYTES = 40;

/** A character of text takes at most so many bytes. */
const CHARACTER_BYTES = 3;

/** No less than `sizeOf`. */
function mostOf(row: object): number {
  let bytes = 0;
  for (const name in row) {
    const value: unknown = row[name as keyof typeof row];
    bytes += COLUMN_BYTES;
    if (typeof value === 'string') bytes += value.length * CHARACTER_BYTES;
    else if (typeof value === 'object' && value !== null) bytes += JSON.stringify(value).length * CHARACTER_BYTES;
  }
  return bytes;
}

/** About how many bytes a row takes in a response, or a few more. */
export function sizeOf(row: object): number {
  let bytes = 0;
  for (const value of Object.values(row)) {
    bytes += COLUMN_BYTES;
    if (typeof value === 'string') bytes += Buffer.byteLength(value);
    else if (typeof value === 'object' && value !== null) bytes += Buffer.byteLength(JSON.stringify(value));
  }
  return bytes;
}
