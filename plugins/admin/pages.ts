import type { TableReader } from '../../core/contracts/store.ts';
import type { AnyTable, Row } from '../../core/contracts/tables.ts';

const FIRST_PAGE = 10;
/** More outlive V8's quick collections: with 1000, an export held up others for five times as long. */
const MOST_ROWS = 128;
/** About what a page may hold. */
const PAGE_BYTES = 1024 * 1024;

/**
 * All rows, by primary key. `sizeOf` tells what each took, in bytes: where rows are large, pages are short, so
 * that a store elsewhere sends no more than fits into memory.
 */
export async function* allRows<T extends AnyTable>(
  table: Pick<TableReader<T>, 'find'>,
  sizeOf: () => number,
): AsyncGenerator<Row<T>, void, undefined> {
  let after: string | undefined;
  let limit = FIRST_PAGE;
  do {
    const page = await table.find({ limit, ...(after === undefined ? {} : { after }) });
    let largest = 1;
    for (const row of page.rows) {
      yield row;
      largest = Math.max(largest, sizeOf());
    }
    limit = Math.max(1, Math.min(MOST_ROWS, 2 * limit, Math.floor(PAGE_BYTES / largest)));
    after = page.next;
  } while (after !== undefined);
}
