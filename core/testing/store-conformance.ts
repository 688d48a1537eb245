import type { Store } from '../contracts/store.ts';
import type { AnyTable } from '../contracts/tables.ts';
import { concurrency } from './store/concurrency.ts';
import { crud } from './store/crud.ts';
import { deadlines } from './store/deadlines.ts';
import { events } from './store/events.ts';
import { fixtureTables, type StoreSuite, type Subject } from './store/fixtures.ts';
import { input } from './store/input.ts';
import { leases } from './store/leases.ts';
import { lifecycle } from './store/lifecycle.ts';
import { order } from './store/order.ts';
import { paging } from './store/paging.ts';
import { text } from './store/text.ts';
import { transactions } from './store/transactions.ts';
import { unique } from './store/unique.ts';
import { where } from './store/where.ts';
import { defineSuite, type Exclusions, type TestRunner } from './suite.ts';

export interface StoreConformance {
  readonly name: string;
  /** Opens an empty store that holds these tables, ready for use. */
  open(tables: readonly AnyTable[]): Promise<{ readonly store: Store; close(): Promise<void> }>;
  /** Why the store does not pass a test, by the test's title. Such a test runs too, and must not pass. */
  readonly exclude?: Exclusions;
}

const groups: Readonly<Record<string, StoreSuite>> = {
  'single rows': crud,
  'unique keys': unique,
  'bad input': input,
  order,
  conditions: where,
  paging,
  'text search': text,
  transactions,
  'concurrent transactions': concurrency,
  deadlines,
  events,
  leases,
  'from open to close': lifecycle,
};

/**
 * What every store promises, see core/contracts/store.ts. Each test opens an empty store of its own.
 *
 * `open` is called once for each test, and before the next only after `close`: it brings the store to where it serves
 * requests, with these tables and nothing in them (a server's tables are created anew or emptied, `changes` and
 * `history` too; a new id is not needed). The store must be able to run a few dozen transactions that are begun at
 * once, each within the default deadline; how many of them run at the same time is its own affair. `close` may be
 * called while transactions and leases are running: it ends them and gives up every connection, and afterwards every
 * call is `unavailable`. A store that lets the log plugin order the events opens without it: `seq` stays null.
 */
export function storeConformance(runner: TestRunner, { name, open, exclude = {} }: StoreConformance): void {
  const withStore = async (test: (subject: Subject) => Promise<void>) => {
    const { store, close } = await open(fixtureTables);
    let closing: Promise<void> | undefined;
    const closeOnce = () => (closing ??= close());
    try {
      await test({ store, close: closeOnce });
    } finally {
      await closeOnce();
    }
  };
  const titles = new Set(Object.values(groups).flatMap((suite) => Object.keys(suite)));
  for (const title of Object.keys(exclude))
    if (!titles.has(title)) throw new TypeError(`there is no test '${title}' to exclude`);
  runner.describe(`store '${name}'`, () => {
    for (const [group, suite] of Object.entries(groups)) {
      const excluded = Object.entries(exclude).filter(([title]) => Object.hasOwn(suite, title));
      defineSuite(runner, group, suite, withStore, Object.fromEntries(excluded));
    }
  });
}
