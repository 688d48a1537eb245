import assert from 'node:assert/strict';
import { DomainError } from '../../../core/contracts/errors.ts';
import { and, eq, type Find, type Page } from '../../../core/contracts/query.ts';
import { StoreError, type TableReader } from '../../../core/contracts/store.ts';
import { defineTable, type Row, text } from '../../../core/contracts/tables.ts';
import { cursorOf, readCursor } from '../../../core/lib/cursor.ts';
import { listPage, listRequest } from '../../../core/lib/list.ts';

const notes = defineTable({ name: 'notes', columns: { id: text(), body: text() }, primaryKey: ['id'] });
type Note = Row<typeof notes>;
const order = { columns: ['id'] };

/** A reader of these rows, in the order of their ids. */
function readerOf(rows: readonly Note[], find?: (query: Find) => Promise<Page<Note>>): TableReader<typeof notes> {
  const inOrder = async ({ after, limit = 100 }: Find) => {
    const [place] = after === undefined ? [''] : readCursor(notes, order, after);
    const left = rows.filter(({ id }) => id > (place as string));
    const page = left.slice(0, limit);
    const last = page.at(-1);
    return left.length > page.length && last ? { rows: page, next: cursorOf(notes, order, last) } : { rows: page };
  };
  return { find: find ?? inOrder } as unknown as TableReader<typeof notes>;
}

const rows = Array.from({ length: 25 }, (_, n): Note => ({ id: `n${10 + n}`, body: 'x'.repeat(1000), version: 1 }));
const options = { table: notes, order, pageSize: 10, pageToken: '', query: 'notes' };

async function walk(reader: TableReader<typeof notes>, more: Partial<Parameters<typeof listPage<typeof notes>>[1]>) {
  const pages: (readonly Note[])[] = [];
  let pageToken = '';
  do {
    const page = await listPage(reader, { ...options, ...more, pageToken });
    pages.push(page.rows);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return pages;
}

describe('listPage', () => {
  it('walks all rows once, page by page', async () => {
    const pages = await walk(readerOf(rows), {});
    assert.deepEqual(pages.flat(), rows);
    assert.deepEqual(
      pages.map(({ length }) => length),
      [10, 10, 5],
    );
  });

  it('ends a page before its rows pass 3 MiB, and goes on with the next row', async () => {
    // In characters of two bytes: it is bytes that count.
    const large = rows.map((row) => ({ ...row, body: 'ü'.repeat(512 * 1024 - 100) }));
    const pages = await walk(readerOf(large), {});
    assert.deepEqual(pages.flat(), large);
    assert.deepEqual(new Set(pages.map(({ length }) => length)), new Set([3, 1]));
  });

  it('brings a row that is larger than a page by itself', async () => {
    const large = rows.slice(0, 3).map((row) => ({ ...row, body: 'x'.repeat(4 * 1024 * 1024) }));
    const pages = await walk(readerOf(large), {});
    assert.deepEqual(
      pages.map(({ length }) => length),
      [1, 1, 1],
    );
  });

  it('lets the page size change from page to page', async () => {
    const reader = readerOf(rows);
    const first = await listPage(reader, { ...options, pageSize: 3 });
    const second = await listPage(reader, { ...options, pageSize: 1000, pageToken: first.nextPageToken });
    assert.deepEqual([...first.rows, ...second.rows], rows);
    assert.equal(second.nextPageToken, '');
  });

  it('goes on after an empty page that has a next', async () => {
    const reader = readerOf(rows, async () => ({ rows: [], next: 'further' }));
    const page = await listPage(reader, options);
    assert.deepEqual(page.rows, []);
    assert.notEqual(page.nextPageToken, '');
  });

  const refuses = (of: string) => (error: unknown) =>
    error instanceof DomainError && error.fields[0]?.field === of && !(error instanceof StoreError);

  it('refuses a token of another list, and a page size below 0', async () => {
    const { nextPageToken } = await listPage(readerOf(rows), options);
    const other = { ...options, query: 'other notes', pageToken: nextPageToken };
    await assert.rejects(listPage(readerOf(rows), other), refuses('page_token'));
    await assert.rejects(listPage(readerOf(rows), { ...options, pageSize: -1 }), refuses('page_size'));
  });

  it('names the page token when the store does not take its cursor', async () => {
    const { nextPageToken } = await listPage(readerOf(rows), options);
    const picky = readerOf(rows, async () => {
      throw new StoreError('invalid', 'not a cursor of this query');
    });
    await assert.rejects(listPage(picky, { ...options, pageToken: nextPageToken }), refuses('page_token'));
    await assert.rejects(listPage(picky, options), StoreError);
  });
});

describe('listRequest', () => {
  const request = { pageSize: 10, pageToken: '', orderBy: '', filter: '' };
  const list = {
    name: 'notes',
    fields: { body: { column: 'body', type: 'text' } },
    orders: { newest: ['created_at', 'id'], body: ['body'] },
  } as const;
  const queryOf = (...args: Parameters<typeof listRequest>) => listRequest(...args).query;

  it('asks for the filter and the conditions of the other fields together', () => {
    const filtered = { ...request, filter: 'body = x' };
    const where = eq('issue_id', 'i');
    assert.equal(listRequest(request, list).where, undefined);
    assert.deepEqual(listRequest(request, { ...list, where }).where, where);
    assert.deepEqual(listRequest(filtered, list).where, eq('body', 'x'));
    assert.deepEqual(listRequest(filtered, { ...list, where }).where, and(where, eq('body', 'x')));
  });

  it('orders by the first of the orders unless it is told another', () => {
    assert.deepEqual(listRequest(request, list).order, { columns: ['created_at', 'id'] });
    const { order } = listRequest({ ...request, orderBy: 'body desc' }, list);
    assert.deepEqual(order, { columns: ['body'], descending: true });
  });

  it('tells lists apart by everything that decides which rows they have in which order, and not by the page', () => {
    const queries = [
      queryOf(request, list),
      queryOf(request, { ...list, name: 'other notes' }),
      queryOf(request, { ...list, where: eq('issue_id', 'i') }),
      queryOf(request, { ...list, where: eq('issue_id', 'j') }),
      queryOf({ ...request, filter: 'body = x' }, list),
      queryOf({ ...request, orderBy: 'body' }, list),
    ];
    assert.equal(new Set(queries).size, queries.length);
    assert.equal(queryOf({ ...request, pageSize: 3, pageToken: 'x' }, list), queries[0]);
  });

  it('keeps the list the same while the time goes on that its filter counts from', () => {
    const recent = { ...request, filter: 'created_at > now-7d' };
    const fields = { created_at: { column: 'created_at', type: 'timestamp' } } as const;
    const at = (now: number) => listRequest(recent, { ...list, fields, now });
    assert.notDeepEqual(at(1e15).where, at(2e15).where);
    assert.equal(at(1e15).query, at(2e15).query);
  });
});
