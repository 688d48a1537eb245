import type { Clock } from '../../../core/contracts/clock.ts';
import type { Committed } from '../../../core/contracts/log.ts';
import {
  type ReadTransaction,
  type Store,
  StoreError,
  type TransactionOptions,
  type WriteTransaction,
} from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { Deadline, refuseAborted } from '../../../core/lib/deadline.ts';
import { systemClock } from '../../../core/lib/time.ts';
import { type Database, DatabaseError } from '../database.ts';
import { Queries } from '../query/queries.ts';
import { ScopeQueue } from './scope-queue.ts';
import { SqlRead } from './sql-read.ts';
import type { OpenedForWrites } from './sql-write.ts';
import { StoreErrors } from './store-errors.ts';
import { Writing } from './writing.ts';

export interface SqlStoreOptions {
  /** As DB_TYPE names it. */
  readonly kind: string;
  readonly shared: boolean;
  readonly clock?: Clock;
  readonly listenerFailed?: (error: unknown) => void;
  /** Told what an operator is to mend: a right or a table is gone. */
  readonly denied?: (error: DatabaseError) => void;
}

interface Running {
  callOff(why: StoreError): void;
}

/** A store on a database. It is made before the database is reached, and serves from `open` on; see README.md. */
export class SqlStore implements Store {
  readonly kind: string;
  readonly shared: boolean;
  readonly #clock: Clock;
  readonly #listenerFailed: (error: unknown) => void;
  readonly #denied: SqlStoreOptions['denied'];
  readonly #listeners = new Set<(committed: Committed) => void>();
  readonly #running = new Set<Running>();
  readonly #ready = Promise.withResolvers<void>();
  #tables: readonly AnyTable[] = [];
  #opened: (OpenedForWrites & { readonly id: string }) | undefined;
  #refusal: StoreError | undefined;
  #lastTime = 0;

  constructor({ kind, shared, clock = systemClock, listenerFailed = () => {}, denied }: SqlStoreOptions) {
    this.kind = kind;
    this.shared = shared;
    this.#clock = clock;
    this.#listenerFailed = listenerFailed;
    this.#denied = denied;
    this.#ready.promise.catch(() => {});
  }

  /** Names the data; throws `unavailable` before `open`. */
  get id(): string {
    return this.#serving().id;
  }

  get tables(): readonly AnyTable[] {
    return this.#tables;
  }

  /** Makes the store ready: the database was reached and holds these tables. `id` names its data. */
  open(database: Database, tables: readonly AnyTable[], id: string): void {
    if (this.#refusal) return;
    this.#tables = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#opened = {
      id,
      database,
      tables: new Map(tables.map((table) => [table.name, table])),
      queries: new Queries(database.dialect),
      errors: new StoreErrors(tables, this.#denied),
      queue: new ScopeQueue(),
      nextTime: (earliest) => this.#nextTime(earliest),
      seq: undefined,
    };
    this.#ready.resolve();
  }

  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#refusal) throw this.#refusal;
    if (!signal) return this.#ready.promise;
    refuseAborted({ signal });
    const aborted = Promise.withResolvers<never>();
    const abort = () => {
      aborted.reject(new StoreError('unavailable', 'the wait for the store was called off', { cause: signal.reason }));
    };
    signal.addEventListener('abort', abort);
    try {
      await Promise.race([this.#ready.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async read<T>(fn: (tx: ReadTransaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const opened = this.#serving();
    refuseAborted(options);
    const tx = new SqlRead(opened, Math.max(this.#clock.now(), this.#lastTime));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const running: Running = {
      callOff(why) {
        // Its function may never return.
        deadline.clear();
        tx.callOff(why);
        reject(why);
      },
    };
    this.#running.add(running);
    const deadline = new Deadline(options, running.callOff);
    const work = async () => {
      const result = fn(tx);
      tx.returned(result);
      const value = await result;
      if (deadline.missed) running.callOff(deadline.missed);
      resolve(value);
    };
    work()
      .catch(reject)
      .finally(() => {
        deadline.clear();
        this.#running.delete(running);
        return tx.close();
      });
    return promise;
  }

  async write<T>(fn: (tx: WriteTransaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    const opened = this.#serving();
    refuseAborted(options);
    const writing = new Writing(opened, fn, options, (committed) => this.#tell(committed));
    this.#running.add(writing);
    try {
      return await writing.settled;
    } finally {
      this.#running.delete(writing);
    }
  }

  async lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean } = {},
  ): Promise<T | undefined> {
    const { database, errors } = this.#serving();
    try {
      return await database.lease(name, fn, options);
    } catch (error) {
      throw error instanceof DatabaseError ? errors.errorOf(error) : error;
    }
  }

  onCommit(listener: (committed: Committed) => void): () => void {
    // Wrapped, so that one and the same function may listen twice.
    const entry = (committed: Committed) => listener(committed);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Calls off what is running, refuses everything from now on, and closes the database. */
  async close(): Promise<void> {
    const why = new StoreError('unavailable', 'the store is closed');
    this.#refusal ??= why;
    this.#ready.reject(why);
    for (const running of this.#running) running.callOff(why);
    await this.#opened?.database.close();
  }

  #serving() {
    if (this.#refusal) throw this.#refusal;
    if (!this.#opened) throw new StoreError('unavailable', 'the database is not ready yet');
    return this.#opened;
  }

  #nextTime(earliest: number): number {
    this.#lastTime = Math.max(this.#clock.now(), this.#lastTime + 1, earliest);
    return this.#lastTime;
  }

  #tell(committed: Committed): void {
    for (const listener of this.#listeners) {
      try {
        listener(committed);
      } catch (error) {
        this.#listenerFailed(error);
      }
    }
  }
}
