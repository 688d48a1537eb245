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
        while (!held.aborted && (await this.#trimBatch(held)) === BATCH);
      },
      { signal, wait: false },
    );
  }

  /**
   * Always from the beginning on, so that what is kept has no gap, and whole transactions; the newest event stays, for
   * the order goes on from it. Returns how many were looked at and deleted.
   */
  #trimBatch(signal: AbortSignal): Promise<number> {
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
        let count = kept === -1 ? rows.length : kept;
        while (count > 0 && count < rows.length && rows[count]!.transaction === rows[count - 1]!.transaction) count--;
        await Promise.all(rows.slice(0, count).map(({ id }) => table.delete(id)));
        return count;
      },
      { signal },
    );
  }
}
