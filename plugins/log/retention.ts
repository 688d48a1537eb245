import { setImmediate } from 'node:timers/promises';
import { changesTable } from '../../core/contracts/log.ts';
import { range } from '../../core/contracts/query.ts';
import type { Store, TableReader } from '../../core/contracts/store.ts';
import { newestSeq } from './change-log.ts';

const LEASE = 'log.trim';
/** So many events a transaction, unless one transaction made more. */
const BATCH = 500;
/** For the transaction that deletes the events of a very large one. */
const TIMEOUT_MS = 120_000;

/** Deletes the oldest events of the log, a few at a time. The history is not its business. */
export class Retention {
  readonly #store: Store;
  readonly #keepMicros: number;
  readonly #maxEvents: number;

  constructor(store: Store, keep: { readonly maxAgeMs: number; readonly maxEvents: number }) {
    this.#store = store;
    this.#keepMicros = keep.maxAgeMs * 1000;
    this.#maxEvents = keep.maxEvents;
  }

  /** Deletes what is too old and what is too many, unless another instance is at it. */
  async trim(signal: AbortSignal): Promise<void> {
    await this.#store.lease(
      LEASE,
      async (held) => {
        while (!held.aborted && (await this.#trimBatch(held)));
      },
      { signal, wait: false },
    );
  }

  /**
   * Always from the beginning on, so that what is kept has no gap, and whole transactions, however large: whoever follows
   * gets all of one or nothing. The newest event stays, for the order goes on from it. Returns whether there may be more.
   */
  #trimBatch(signal: AbortSignal): Promise<boolean> {
    return this.#store.write(
      async (tx) => {
        const table = tx.table(changesTable);
        const newest = await newestSeq(table);
        const before = tx.now - this.#keepMicros;
        const lastTooMany = newest - this.#maxEvents;
        const isKept = ({ seq, time }: Event) => seq === newest || (seq > lastTooMany && time >= before);
        const { events, kept, isCut } = await oldest(table, isKept);
        // Where the list is cut its last transaction waits for the next one.
        const going = events.slice(0, beginOfTransaction(events, isCut ? events.length - 1 : kept));
        for (let i = 0; i < going.length; i += BATCH) {
          await Promise.all(going.slice(i, i + BATCH).map(({ id }) => table.delete(id)));
          // Between two parts of a very large transaction others have their turn.
          if (going.length > BATCH) await setImmediate();
        }
        return isCut;
      },
      { signal, timeoutMs: TIMEOUT_MS },
    );
  }
}

/** What is to be known of an event; the entity after it, which may be long, is not. */
interface Event {
  readonly id: string;
  readonly seq: number;
  readonly time: number;
  readonly transaction: string;
}

/**
 * A page of the oldest events, and where one transaction is more than that, pages up to the next one. Ends early where one
 * is kept. `kept` is the place of the first of those; the end, where there is none.
 */
async function oldest(table: TableReader<typeof changesTable>, isKept: (event: Event) => boolean) {
  const events: Event[] = [];
  for (;;) {
    const { rows } = await table.find({
      where: range('seq', { gt: events.at(-1)?.seq ?? -1 }),
      orderBy: { columns: ['seq'] },
      limit: BATCH,
    });
    events.push(...rows.map(({ id, seq, time, transaction }) => ({ id, seq: seq ?? 0, time, transaction })));
    const kept = events.findIndex(isKept);
    if (kept !== -1) return { events, kept, isCut: false };
    if (rows.length < BATCH) return { events, kept: events.length, isCut: false };
    if (events[0]!.transaction !== events.at(-1)!.transaction) return { events, kept: events.length, isCut: true };
  }
}

/** The place of the first event of the transaction that one is of; the end, where there is none at this place. */
function beginOfTransaction(events: readonly Event[], at: number): number {
  let begin = at;
  while (begin > 0 && events[begin]?.transaction === events[begin - 1]!.transaction) begin--;
  return begin;
}
