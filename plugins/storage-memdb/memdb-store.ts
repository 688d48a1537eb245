import type { Clock } from '../../core/contracts/clock.ts';
import type { Committed } from '../../core/contracts/log.ts';
import {
  isRestart,
  type ReadTransaction,
  type Store,
  StoreError,
  type TransactionOptions,
  type WriteTransaction,
} from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { Deadline, refuseAborted } from '../../core/lib/deadline.ts';
import { Leases } from '../../core/lib/leases.ts';
import { systemClock } from '../../core/lib/time.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { Line } from './line.ts';
import { TableSchema } from './table-schema.ts';
import type { Text } from './text-index.ts';
import { MemdbRead, MemdbWrite, type Schemas, type Version } from './transaction.ts';
import { WriterQueue } from './writer-queue.ts';

/** A write function that throws Restart so many times is given up. */
const MOST_RUNS = 10;

/** In milliseconds; then the other work of the process gets a turn. */
const LONGEST_FORGETTING = 5;

interface OpenRead {
  readonly tx: MemdbRead;
  readonly callOff: (why: StoreError) => void;
}

type State = 'new' | 'open' | 'closed';

/** Holds everything in the process's memory; see README.md. */
export class MemdbStore implements Store {
  readonly id = uuidv7();
  readonly kind = 'memdb';
  readonly shared = false;
  readonly #clock: Clock;
  readonly #listenerFailed: (error: unknown) => void;
  readonly #queue = new WriterQueue();
  readonly #leases = new Leases();
  readonly #listeners = new Set<(committed: Committed) => void>();
  /** In the order in which they began, so the first has the oldest version. */
  readonly #reads = new Line<OpenRead>();
  /** What the text indexes may forget once no snapshot older than the version is open; oldest first. */
  readonly #forgotten: { readonly version: number; readonly text: Text }[] = [];
  /** True from one part of a long forgetting to the next. */
  #forgetting = false;
  #state: State = 'new';
  #schemas: Schemas = new Map();
  #tables: readonly AnyTable[] = [];
  #version: Version = { number: 0, tables: [] };
  #lastWrite = 0;
  #seq = 0;

  constructor(options: { readonly clock?: Clock; readonly listenerFailed?: (error: unknown) => void } = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#listenerFailed = options.listenerFailed ?? (() => {});
  }

  get state(): State {
    return this.#state;
  }

  get tables(): readonly AnyTable[] {
    return this.#tables;
  }

  /** Makes the store ready, with these tables, empty. */
  open(tables: readonly AnyTable[]): void {
    const schemas = new Map(tables.map((table, position) => [table.name, new TableSchema(table, position)]));
    this.#schemas = schemas;
    this.#tables = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#version = { number: 0, tables: Array.from(schemas.values(), (schema) => schema.empty()) };
    this.#state = 'open';
  }

  async ready(signal?: AbortSignal): Promise<void> {
    this.#refuse();
    if (signal) refuseAborted({ signal });
  }

  async read<T>(fn: (tx: ReadTransaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    this.#refuse();
    refuseAborted(options);
    const tx = new MemdbRead(this.#schemas, this.#version, Math.max(this.#clock.now(), this.#lastWrite));
    return new Promise<T>((resolve, reject) => {
      const callOff = (why: StoreError) => {
        end(why);
        reject(why);
      };
      const deadline = new Deadline(options, callOff);
      const end = (why?: StoreError) => {
        deadline.clear();
        tx.end(why);
        if (this.#reads.leave(open)) this.#forget();
      };
      const open = this.#reads.join({ tx, callOff });
      (async () => fn(tx))().then(
        (value) => {
          const { missed } = deadline;
          if (missed) return callOff(missed);
          end();
          resolve(value);
        },
        (error) => {
          end();
          reject(error);
        },
      );
    });
  }

  async write<T>(fn: (tx: WriteTransaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    this.#refuse();
    let tx: MemdbWrite | undefined;
    let over = false;
    return this.#queue.run(
      {
        begin: async () => {
          for (let run = 1; ; run++) {
            tx = this.#begin();
            try {
              const result = await fn(tx);
              tx.check();
              return result;
            } catch (error) {
              if (over || !isRestart(error)) throw error;
              this.#rollBack(tx);
              if (run === MOST_RUNS)
                throw new StoreError('unavailable', `the transaction began ${run} times in vain`, { cause: error });
            }
          }
        },
        commit: () => this.#commit(tx!),
        rollback: (why) => {
          over = true;
          if (tx) this.#rollBack(tx, why);
        },
      },
      options,
    );
  }

  #begin(): MemdbWrite {
    this.#lastWrite = Math.max(this.#clock.now(), this.#lastWrite + 1);
    return new MemdbWrite(this.#schemas, this.#version, this.#lastWrite, this.#seq);
  }

  #commit(tx: MemdbWrite): void {
    this.#version = tx.commit();
    this.#seq = tx.seq;
    this.#lastWrite = Math.max(this.#lastWrite, tx.restoredTime);
    this.#forgetLater(tx.gone);
    const { committed } = tx.changes;
    if (!committed) return;
    for (const listener of this.#listeners) {
      try {
        listener(committed);
      } catch (error) {
        this.#listenerFailed(error);
      }
    }
  }

  #rollBack(tx: MemdbWrite, why?: StoreError): void {
    tx.end(why);
    this.#forgetLater(tx.added.splice(0));
  }

  #forgetLater(all: readonly Text[]): void {
    const version = this.#version.number;
    for (const text of all) this.#forgotten.push({ version, text });
    this.#forget();
  }

  /** Little at a time: a transaction may leave many rows to forget. */
  #forget(): void {
    if (this.#forgetting || this.#forgotten.length === 0) return;
    const oldest = this.#reads.first?.value.tx;
    const version = oldest?.version.number ?? this.#version.number;
    const until = performance.now() + LONGEST_FORGETTING;
    let done = 0;
    for (const { version: last, text } of this.#forgotten) {
      if (last > version) break;
      this.#forgetting = done > 0 && performance.now() > until;
      if (this.#forgetting) break;
      text.index.forget(text);
      done++;
    }
    this.#forgotten.splice(0, done);
    if (!this.#forgetting) return;
    setImmediate(() => {
      this.#forgetting = false;
      this.#forget();
    });
  }

  async lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean } = {},
  ): Promise<T | undefined> {
    this.#refuse();
    return this.#leases.run(name, fn, options);
  }

  onCommit(listener: (committed: Committed) => void): () => void {
    // Wrapped, so that one and the same function may listen twice.
    const entry = (committed: Committed) => listener(committed);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Calls off what is running, and refuses everything from now on. The data are gone. */
  close(): void {
    const why = new StoreError('unavailable', 'the store is closed');
    this.#state = 'closed';
    this.#queue.close(why);
    for (const { callOff } of [...this.#reads]) callOff(why);
    this.#leases.close();
    this.#version = { number: 0, tables: [] };
    this.#forgotten.length = 0;
  }

  #refuse(): void {
    if (this.#state === 'new')
      throw new StoreError('unavailable', 'the store is used before its start: in setup no table is known yet');
    if (this.#state === 'closed') throw new StoreError('unavailable', 'the store is closed');
  }
}
