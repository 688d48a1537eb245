import { setImmediate } from 'node:timers/promises';
import { changesTable } from '../../core/contracts/log.ts';
import { and, isNull, range } from '../../core/contracts/query.ts';
import { isStoreError, type Store, type TableReader, type WriteTransaction } from '../../core/contracts/store.ts';
import type { Row } from '../../core/contracts/tables.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { pause } from '../../core/lib/pause.ts';
import { newestSeq } from './change-log.ts';

const LEASE = 'log.order';
/** So many events a transaction, unless one transaction made more. */
const BATCH = 500;
/**
 * After a transaction it rests, for so many milliseconds an event that it ordered, and at least and at most for so many:
 * those who commit meanwhile share the next transaction. Few a second are told at once; many a second, on a machine that
 * needs its time for them, some tens together.
 */
const REST = { eachMs: 0.5, leastMs: 2, mostMs: 25 };
const RETRY_MS = 250;
/** For the transaction with the events of a very large one. */
const TIMEOUT_MS = 120_000;

type Event = Row<typeof changesTable>;

/**
 * Gives the events of a store that several instances write to their place in the total order, while it holds the lease
 * for it. What is pending is taken in the order of the ids, which is that of (time, transaction, place in it): a
 * transaction's time exceeds that of each earlier commit in its scopes, so whatever becomes visible later belongs behind
 * what is visible now, in every scope that both touch. Each event is ordered once (its version is checked) and each seq
 * given once (the key is unique), so that who has lost the lease without knowing it fails and harms nothing.
 */
export class Orderer {
  readonly #store: Store;
  readonly #log: Logger;
  /** Called after each transaction that has ordered something. */
  readonly #grown: () => void;
  #holding = false;
  #woken = false;
  #failing = false;
  #wakeUp = () => {};

  constructor(store: Store, grown: () => void, log: Logger) {
    this.#store = store;
    this.#grown = grown;
    this.#log = log;
  }

  /** Something may be pending. Cheap to call. Returns whether this instance sees to it. */
  wake(): boolean {
    this.#woken = true;
    this.#wakeUp();
    return this.#holding;
  }

  /** Orders whenever this instance is the holder, until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#store.lease(LEASE, (held) => this.#hold(held), { signal });
      } catch (error) {
        if (signal.aborted) return;
        // Another has the lease, and has ordered what this one was about to.
        const isLate = isStoreError(error, 'conflict') || isStoreError(error, 'already_exists');
        // A store that is away fails several times a second: one line when it goes.
        if (!isLate && !this.#failing)
          this.#log.warn({ err: error }, "the log's order is left to another instance, until this one can again");
        this.#failing ||= !isLate;
        await pause(isLate ? REST.leastMs : RETRY_MS, signal);
      }
    }
  }

  async #hold(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wakeUp(), { once: true });
    this.#holding = true;
    this.#woken = true;
    try {
      while (!signal.aborted) {
        if (!this.#woken) await this.#sleep();
        // Commits of the same turn are ordered together.
        await setImmediate();
        if (signal.aborted) return;
        this.#woken = false;
        const { ordered, more } = await this.#order(signal);
        this.#failing = false;
        if (ordered > 0) this.#grown();
        if (more) this.#woken = true;
        else if (ordered > 0) await pause(restAfter(ordered), signal);
      }
    } finally {
      this.#holding = false;
    }
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeUp = resolve;
    });
  }

  #order(signal: AbortSignal): Promise<{ readonly ordered: number; readonly more: boolean }> {
    return this.#store.write(
      async (tx) => {
        const table = tx.table(changesTable);
        const [page, newest] = await Promise.all([pending(table), newestSeq(table)]);
        const events = page.next === undefined ? page.rows : await wholeTransactions(tx, page.rows);
        let seq = newest;
        await Promise.all(
          events.map(({ id, version }) => {
            seq += 1;
            return table.update(id, { seq }, { ifVersion: version });
          }),
        );
        return { ordered: events.length, more: page.next !== undefined };
      },
      { signal, timeoutMs: TIMEOUT_MS },
    );
  }
}

const restAfter = (ordered: number): number => Math.min(Math.max(REST.eachMs * ordered, REST.leastMs), REST.mostMs);

const pending = (table: TableReader<typeof changesTable>, after?: Event) =>
  table.find({ where: after ? and(isNull('seq'), range('id', { gt: after.id })) : isNull('seq'), limit: BATCH });

/** A page that was cut, without the transaction that the cut goes through; or, where that is all, with the rest of it. */
async function wholeTransactions(tx: WriteTransaction, rows: readonly Event[]): Promise<readonly Event[]> {
  const table = tx.table(changesTable);
  const events = [...rows];
  const { transaction } = events.at(-1)!;
  const begin = events.findIndex((event) => event.transaction === transaction);
  if (begin > 0) return events.slice(0, begin);
  for (;;) {
    const page = await pending(table, events.at(-1));
    const end = page.rows.findIndex((event) => event.transaction !== transaction);
    events.push(...(end === -1 ? page.rows : page.rows.slice(0, end)));
    if (end !== -1 || page.next === undefined) return events;
  }
}
