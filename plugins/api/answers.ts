import type { Cancellation } from '../../core/contracts/cancellation.ts';
import { range } from '../../core/contracts/query.ts';
import type { ReadTransaction, Store, WriteTransaction } from '../../core/contracts/store.ts';
import { defineTable, text, timestamp } from '../../core/contracts/tables.ts';

/** The answers that are kept for repeats, each from the transaction that made its effect. */
export const answersTable = defineTable({
  name: 'idempotent_answers',
  columns: {
    /** Who called: a user's id, or the kind of the actor. */
    caller: text({ maxLength: 200 }),
    method: text({ maxLength: 500 }),
    key: text({ maxLength: 255 }),
    /** SHA-256 of the request, in base64url. */
    request: text({ maxLength: 64 }),
    /** The response's bytes, in base64. */
    response: text(),
    created_at: timestamp(),
  },
  primaryKey: ['caller', 'method', 'key'],
  indexes: { idempotent_answers_created: ['created_at'] },
});

/** Which answer: (caller, method, key). */
export type AnswerKey = readonly [caller: string, method: string, key: string];

export interface Answer {
  readonly request: string;
  readonly response: Uint8Array;
}

const BATCH = 500;
const PURGE_LEASE = 'api.idempotent-answers';

/** Keeps answers for a while. */
export class Answers {
  readonly #store: Store;
  readonly #keptMicros: number;

  constructor(store: Store, keptMs: number) {
    this.#store = store;
    this.#keptMicros = keptMs * 1000;
  }

  /** 'over': there is one, which was kept long enough. */
  find(key: AnswerKey, signal?: Cancellation): Promise<Answer | 'over' | undefined> {
    return this.#store.read(
      async (tx) => {
        const row = await tx.table(answersTable).get(key);
        if (!row) return undefined;
        if (this.#isOver(row, tx)) return 'over';
        return { request: row.request, response: Buffer.from(row.response, 'base64') };
      },
      signal ? { signal } : {},
    );
  }

  /**
   * `takesPlace`: of one that is over. Throws `already_exists`, now or at the commit, where a twin's answer is there.
   */
  async keep(tx: WriteTransaction, key: AnswerKey, { request, response }: Answer, takesPlace: boolean): Promise<void> {
    const table = tx.table(answersTable);
    const old = takesPlace ? await table.lock(key, 'update') : undefined;
    if (old && this.#isOver(old, tx)) await table.delete(key);
    const [caller, method, name] = key;
    const encoded = Buffer.from(response.buffer, response.byteOffset, response.byteLength).toString('base64');
    await table.insert({ caller, method, key: name, request, response: encoded, created_at: tx.now });
  }

  /** Deletes what need not be kept any longer, unless another instance is at it. */
  async purge(signal: AbortSignal): Promise<void> {
    await this.#store.lease(
      PURGE_LEASE,
      async (held) => {
        while (!held.aborted && (await this.#purgeBatch(held)) === BATCH);
      },
      { signal, wait: false },
    );
  }

  #purgeBatch(signal: AbortSignal): Promise<number> {
    return this.#store.write(
      async (tx) => {
        const table = tx.table(answersTable);
        const { rows } = await table.find({
          where: range('created_at', { lte: tx.now - this.#keptMicros }),
          orderBy: { columns: ['created_at'] },
          limit: BATCH,
        });
        for (const { caller, method, key } of rows) {
          // A call with this key may have taken its place meanwhile.
          const row = await table.lock([caller, method, key], 'update');
          if (row && this.#isOver(row, tx)) await table.delete([caller, method, key]);
        }
        return rows.length;
      },
      { signal },
    );
  }

  #isOver({ created_at }: { readonly created_at: number }, tx: ReadTransaction): boolean {
    return created_at + this.#keptMicros <= tx.now;
  }
}
