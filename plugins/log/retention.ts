import { changesTable } from '../../core/contracts/log.ts';
import { range } from '../../core/contracts/query.ts';
import type { Store } from '../../core/contracts/store.ts';
import { newestSeq } from './change-log.ts';

const LEASE = 'log.trim';
const BATCH = 500;

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
   * Always from the beginning on, so that what is kept has no gap, and whole transactions; the newest event stays, for
   * the order goes on from it. Only a transaction of more than a page may go in parts. Returns whether there may be more.
   */
  #trimBatch(signal: AbortSignal): Promise<boolean> {
    return this.#store.write(
      async (tx) => {
        const table = tx.table(changesTable);
        const [oldest, newest] = await Promise.all([
          table.find({ where: range('seq', { gte: 0 }), orderBy: { columns: ['seq'] }, limit: BATCH }),
          newestSeq(table),
        ]);
        const { rows } = oldest;
        const before = tx.now - this.#keepMicros;
        const lastTooMany = newest - this.#maxEvents;
        const kept = rows.findIndex(({ seq, time }) => seq === newest || ((seq ?? 0) > lastTooMany && time >= before));
        const isCut = kept === -1 && rows.length === BATCH;
        // Of a page that is cut the last transaction waits for the next page, unless it is all there is.
        const count = beginOfTransaction(rows, isCut ? rows.length - 1 : kept === -1 ? rows.length : kept);
        const going = isCut && count === 0 ? rows : rows.slice(0, count);
        await Promise.all(going.map(({ id }) => table.delete(id)));
        return isCut;
      },
      { signal },
    );
  }
}

/** The place of the first event of the transaction that one is of; the end, where there is none at this place. */
function beginOfTransaction(rows: readonly { readonly transaction: string }[], at: number): number {
  let begin = at;
  while (begin > 0 && rows[begin]?.transaction === rows[begin - 1]!.transaction) begin--;
  return begin;
}
