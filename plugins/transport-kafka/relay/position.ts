import { isStoreError, type Store } from '../../../core/contracts/store.ts';
import { defineTable, int64, text } from '../../../core/contracts/tables.ts';

/** Up to where the log has reached Kafka, for each prefix of topics. */
export const relayTable = defineTable({
  name: 'kafka_relay',
  columns: { topic_prefix: text({ maxLength: 200 }), seq: int64() },
  primaryKey: ['topic_prefix'],
});

/** The relay's place in the log, which it writes when Kafka has what comes before. */
export class Position {
  seq = 0;
  readonly #store: Store;
  readonly #prefix: string;
  #version: number | undefined;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  async read(signal: AbortSignal): Promise<void> {
    const row = await this.#store.read((tx) => tx.table(relayTable).get(this.#prefix), { signal });
    this.seq = row?.seq ?? 0;
    this.#version = row?.version;
  }

  /** Throws where another relay has written since: this one holds the lease no more. */
  async write(seq: number, signal: AbortSignal): Promise<void> {
    const row = await this.#store.write(
      (tx) => {
        const table = tx.table(relayTable);
        return this.#version === undefined
          ? table.insert({ topic_prefix: this.#prefix, seq })
          : table.update(this.#prefix, { seq }, { ifVersion: this.#version });
      },
      { signal },
    );
    this.seq = seq;
    this.#version = row.version;
  }
}

/** Whether another relay has taken over. */
export function isOvertaken(error: unknown): boolean {
  return isStoreError(error, 'conflict') || isStoreError(error, 'already_exists');
}
