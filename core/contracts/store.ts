import { token } from '../kernel/plugin.ts';
import type { Cancellation } from './cancellation.ts';
import { DomainError } from './errors.ts';
import type { ChangeEvent, Committed } from './log.ts';
import type { Find, GroupCount, Page, Value, Where } from './query.ts';
import type { AnyTable, NewRow, Row } from './tables.ts';

/**
 * Where rows are kept. One storage plugin provides it; every service runs on any of them.
 *
 * Isolation. `read` sees one snapshot for as long as it runs. `write` is atomic; in it a read sees what was
 * committed when that read ran, plus the transaction's own writes, so what must still hold at commit is locked.
 * Locks are taken in one order, or writers deadlock: the projects' scopes (see log.ts) in ascending order of their
 * ids, then other scopes in theirs, all as 'update'; then the rows that are referred to, as 'share'. What decides is
 * read, and guards are evaluated, after the locks; where what was read before them no longer holds, throw Restart.
 *
 * A write function may run more than once, so it has no effect outside its transaction. What it returns is handed
 * on after the commit. When it throws, nothing is stored.
 *
 * Operations may be asked for together, without waiting for one before the other: each change is of the row as those
 * before it have left it.
 *
 * A backend may send writes later than they are called: `already_exists`, `conflict` and `invalid` may be thrown by
 * the operation, by a later one or by `write` itself, so they are handled around `write`. After one of them the
 * transaction is lost, also when the function catches it.
 */
export interface Store {
  /**
   * Names this data: the same after a restart of a durable store, a new one for a new or emptied store. Known once
   * `ready` has resolved; before that, reading it throws `unavailable`.
   */
  readonly id: string;
  /** 'memdb', 'postgres' ...: as DB_TYPE names it. */
  readonly kind: string;
  /** True where other instances may write to the same data; then the log is also polled, not only followed by commits. */
  readonly shared: boolean;
  /** Every table that it holds, in order of their names; none before the storage plugin's start. */
  readonly tables: readonly AnyTable[];
  /**
   * Resolves when the store serves: at once for one in this process; for one elsewhere when it was reached and holds the
   * tables, however long that takes. Rejects with `unavailable` when the signal is aborted or the store is closed.
   * Reads and writes before that are `unavailable`.
   */
  ready(signal?: AbortSignal): Promise<void>;
  read<T>(fn: (tx: ReadTransaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  write<T>(fn: (tx: WriteTransaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Waits until this caller is the one holder of the name among all instances, runs fn, and gives the name up.
   * fn's signal is aborted when the lease is lost or options.signal is. With wait: false, returns undefined at
   * once, without running fn, when the name is held.
   */
  lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options?: { readonly signal?: AbortSignal; readonly wait?: boolean },
  ): Promise<T | undefined>;
  /**
   * Calls the listener after each commit of this instance that emitted events, in commit order, before the write's
   * promise settles. A listener must not throw and must not wait. Returns the function that ends it.
   */
  onCommit(listener: (committed: Committed) => void): () => void;
}

export interface TransactionOptions {
  /** Ends the transaction, or the wait for one, with `unavailable`; nothing is stored. */
  readonly signal?: Cancellation;
  /** The most milliseconds the transaction may take, waiting included. Default 10,000. Then as with signal. */
  readonly timeoutMs?: number;
}

export interface ReadTransaction {
  table<T extends AnyTable>(table: T): TableReader<T>;
  /**
   * The transaction's time in microseconds. In a write it is read after the first lock, and is greater than the time
   * of every earlier commit in the scopes that are locked.
   */
  readonly now: number;
}

export interface WriteTransaction extends ReadTransaction {
  table<T extends AnyTable>(table: T): TableWriter<T>;
  /**
   * Records what this transaction changes, in the same commit (see log.ts). The scope is a row of a table that
   * declares `revision`; its revision grows by one with the first event of the transaction in it.
   * Returns that revision. `not_found` when the scope's row does not exist.
   */
  emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent): Promise<{ readonly revision: number }>;
}

/** The value of a primary key of one column, or the values of one of several, in the declared order. */
export type Key = Value | readonly Value[];

export interface TableReader<T extends AnyTable> {
  /** The row, or undefined. */
  get(key: Key): Promise<Row<T> | undefined>;
  /** The rows that exist, in the order of the keys; a key given twice is returned once. */
  getMany(keys: readonly Key[]): Promise<Row<T>[]>;
  /** One page; see query.ts. */
  find(query?: Find): Promise<Page<Row<T>>>;
  /** How many rows match; examines them all. */
  count(query?: { readonly where?: Where }): Promise<number>;
  /** How many rows match, for each combination of the columns' values, ordered by those values. */
  countBy(groupBy: readonly string[], query?: { readonly where?: Where }): Promise<readonly GroupCount[]>;
}

export interface TableWriter<T extends AnyTable> extends TableReader<T> {
  /** Returns the row as stored. `already_exists` names the key; `invalid` names the column. */
  insert(row: NewRow<T>): Promise<Row<T>>;
  /**
   * Inserts a row of another store as it is there, with its version; for moving data from store to store. Of `changes`
   * the seq and the time too: seqs that this store gives later are greater, and so are times in the scopes that are
   * restored after it. `already_exists`, `invalid`.
   */
  restore(row: Row<T>): Promise<void>;
  /**
   * Changes the named columns. Returns the row as stored. `not_found`; `conflict` when ifVersion is not the row's
   * version; `already_exists`; `invalid`, also for a column of the primary key.
   */
  update(key: Key, patch: Partial<NewRow<T>>, options?: { readonly ifVersion?: number }): Promise<Row<T>>;
  /** Adds to int64 columns, and leaves `version` as it is. Returns the row as stored. `not_found`. */
  increment(key: Key, amounts: { readonly [K in keyof Row<T>]?: number }): Promise<Row<T>>;
  /** Returns the row that was deleted. `not_found`, `conflict`. */
  delete(key: Key, options?: { readonly ifVersion?: number }): Promise<Row<T>>;
  /**
   * Keeps the row as it is until the transaction ends: 'update' against any other lock, 'share' against changes.
   * Returns the row as it is now, or undefined when it does not exist.
   */
  lock(key: Key, mode: 'update' | 'share'): Promise<Row<T> | undefined>;
}

/**
 * Thrown by a write function to begin again in a new transaction: what it had found before it took its locks no longer
 * holds. After ten times `write` rejects with `unavailable`.
 */
export class Restart extends Error {
  override readonly name = 'Restart';
}

/** True for a Restart; across copies of this package. */
export function isRestart(error: unknown): error is Restart {
  return error instanceof Error && error.name === 'Restart';
}

export const store = token<Store>('storage.store');

export type StoreErrorKind = 'not_found' | 'already_exists' | 'conflict' | 'invalid' | 'unavailable';

const codeOf = {
  not_found: 'NOT_FOUND',
  already_exists: 'ALREADY_EXISTS',
  conflict: 'ABORTED',
  invalid: 'INVALID_ARGUMENT',
  unavailable: 'UNAVAILABLE',
} as const;

/** What a store throws; services turn it into errors that name the request's fields. */
export class StoreError extends DomainError {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;
  readonly table: string | undefined;
  /** already_exists: the unique key, or 'primary'. invalid: the column, where it is one. */
  readonly key: string | undefined;

  constructor(
    kind: StoreErrorKind,
    message: string,
    at: { readonly table?: string; readonly key?: string; readonly cause?: unknown } = {},
  ) {
    super(codeOf[kind], `STORE_${kind.toUpperCase()}`, message, { cause: at.cause });
    this.kind = kind;
    this.table = at.table;
    this.key = at.key;
  }
}

/** True for a StoreError of this kind, and of this key where one is given; across copies of this package. */
export function isStoreError(error: unknown, kind: StoreErrorKind, key?: string): error is StoreError {
  return (
    error instanceof Error &&
    error.name === 'StoreError' &&
    (error as StoreError).kind === kind &&
    (key === undefined || (error as StoreError).key === key)
  );
}
