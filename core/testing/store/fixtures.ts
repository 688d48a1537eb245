import assert from 'node:assert/strict';
import { type ChangeEvent, changesTable, historyTable } from '../../contracts/log.ts';
import type { Find } from '../../contracts/query.ts';
import { isStoreError, type Store, type StoreErrorKind } from '../../contracts/store.ts';
import {
  type AnyTable,
  bool,
  defineTable,
  float,
  int64,
  json,
  type NewRow,
  type Row,
  text,
  timestamp,
  uuid,
} from '../../contracts/tables.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import type { Suite } from '../suite.ts';

export interface Subject {
  readonly store: Store;
  /** Closes the store before the test ends. */
  close(): Promise<void>;
}
export type StoreSuite = Suite<Subject>;

/** A column of every type, unique keys with and without null, indexes of one and two columns. */
export const items = defineTable({
  name: 'conformance_items',
  columns: {
    id: uuid(),
    name: text({ maxLength: 50 }),
    kind: text({ nullable: true }),
    rank: int64(),
    score: float({ nullable: true }),
    done: bool(),
    due: timestamp({ nullable: true }),
    owner: uuid({ nullable: true }),
    meta: json({ nullable: true }),
    body: text({ nullable: true }),
  },
  primaryKey: ['id'],
  unique: { item_name: ['name'], item_slot: ['owner', 'rank'] },
  indexes: {
    item_rank: ['rank'],
    item_kind: ['kind', 'rank'],
    item_score: ['score'],
    item_due: ['due'],
    item_done: ['done', 'rank'],
    item_owner_name: ['owner', 'name'],
  },
  searchable: ['name', 'body'],
});

/** A primary key of two columns. */
export const labels = defineTable({
  name: 'conformance_labels',
  columns: { item: uuid(), label: text({ maxLength: 30 }), weight: int64({ nullable: true }) },
  primaryKey: ['item', 'label'],
  indexes: { label_label: ['label'] },
});

/** A scope of the change log. */
export const accounts = defineTable({
  name: 'conformance_accounts',
  columns: { id: uuid(), balance: int64(), revision: int64() },
  primaryKey: ['id'],
  revision: 'revision',
});

export const fixtureTables: readonly AnyTable[] = [items, labels, accounts, changesTable, historyTable];

type NewItem = NewRow<typeof items>;
let made = 0;

/** An item with a new id and name, where nothing else is given. */
export const item = (values: Partial<NewItem> = {}): NewItem => ({
  id: uuidv7(),
  name: `item ${++made}`,
  rank: 0,
  done: false,
  ...values,
});

export async function insertItems(store: Store, rows: readonly Partial<NewItem>[]): Promise<Row<typeof items>[]> {
  return store.write(async (tx) => {
    const inserted: Row<typeof items>[] = [];
    for (const row of rows) inserted.push(await tx.table(items).insert(item(row)));
    return inserted;
  });
}

export const insertAccount = (store: Store, balance = 0): Promise<string> =>
  store.write(async (tx) => (await tx.table(accounts).insert({ id: uuidv7(), balance, revision: 0 })).id);

export const event = (values: Partial<ChangeEvent> = {}): ChangeEvent => ({
  entity: 'thing',
  entityId: uuidv7(),
  kind: 'UPDATED',
  actor: null,
  changes: [],
  after: null,
  ...values,
});

/** All rows of a query, page by page. `between` runs after each page. */
export async function allRows<T extends AnyTable>(
  store: Store,
  table: T,
  query: Find,
  between: () => Promise<unknown> = async () => {},
): Promise<Row<T>[]> {
  const rows: Row<T>[] = [];
  let after = query.after;
  for (let pages = 0; pages < 1_000; pages++) {
    const page = await store.read((tx) => tx.table(table).find(after === undefined ? query : { ...query, after }));
    rows.push(...page.rows);
    if (page.next === undefined) return rows;
    after = page.next;
    await between();
  }
  return assert.fail('the pages do not end');
}

export const namesOf = (rows: readonly { readonly name: string }[]): string[] => rows.map(({ name }) => name);

/** Asserts that it is refused with this kind of StoreError, and this key. */
export async function refuses(promise: Promise<unknown>, kind: StoreErrorKind, key?: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    if (isStoreError(error, kind, key)) return true;
    throw new assert.AssertionError({
      message: `expected StoreError '${kind}'${key === undefined ? '' : ` of '${key}'`}, got ${String(error)}`,
      actual: error,
    });
  });
}

/** Something to wait for that the test brings about. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
