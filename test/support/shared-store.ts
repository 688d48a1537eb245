import type { ChangeEvent, Committed } from '../../core/contracts/log.ts';
import {
  type Key,
  type Store,
  StoreError,
  type TableWriter,
  type TransactionOptions,
  type WriteTransaction,
} from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { ChangeWriter } from '../../core/lib/change-writer.ts';

/**
 * One store in this process as several instances see it that share a database: events have no place in the order yet, each
 * instance has a clock of its own, and a lease may pass to another without the holder's knowing.
 */
export class SharedStore {
  readonly #inner: Store;
  readonly #leases = new Map<string, { readonly holder: AbortController; readonly line: (() => void)[] }>();
  /** The last time of each scope, by its name. */
  readonly times = new Map<string, number>();

  constructor(inner: Store) {
    this.#inner = inner;
  }

  instance(clock: () => number): Store {
    return new Instance(this.#inner, this, clock);
  }

  async lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    { signal, wait }: { readonly signal?: AbortSignal; readonly wait?: boolean },
  ): Promise<T | undefined> {
    if (wait === false && this.#leases.has(name)) return undefined;
    for (let held = this.#leases.get(name); held; held = this.#leases.get(name)) {
      const { line } = held;
      await new Promise<void>((resolve) => {
        line.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      if (signal?.aborted) throw new StoreError('unavailable', 'the wait for the lease was called off');
    }
    const holder = new AbortController();
    this.#leases.set(name, { holder, line: [] });
    try {
      return await fn(signal ? AbortSignal.any([signal, holder.signal]) : holder.signal);
    } finally {
      if (this.#leases.get(name)?.holder === holder) this.#pass(name);
    }
  }

  /** Frees the lease for the next; returns how the one who held it comes to know. Undefined where nobody holds it. */
  lose(name: string): (() => void) | undefined {
    const held = this.#leases.get(name);
    if (!held) return undefined;
    this.#pass(name);
    return () => held.holder.abort();
  }

  #pass(name: string): void {
    const { line } = this.#leases.get(name)!;
    this.#leases.delete(name);
    for (const next of line) next();
  }
}

class Instance implements Store {
  readonly shared = true;
  readonly kind = 'shared';
  readonly #inner: Store;
  readonly #all: SharedStore;
  readonly #clock: () => number;
  readonly #listeners = new Set<(committed: Committed) => void>();

  constructor(inner: Store, all: SharedStore, clock: () => number) {
    this.#inner = inner;
    this.#all = all;
    this.#clock = clock;
  }

  get id() {
    return this.#inner.id;
  }

  get tables() {
    return this.#inner.tables;
  }

  ready(signal?: AbortSignal) {
    return this.#inner.ready(signal);
  }

  read: Store['read'] = (fn, options) => this.#inner.read(fn, options);

  async write<T>(fn: (tx: WriteTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    let committed: Committed | undefined;
    const result = await this.#inner.write(async (inner) => {
      const tx = new InstanceWrite(inner, this.#all.times, this.#clock);
      const value = await fn(tx);
      committed = tx.changes.committed;
      return value;
    }, options);
    if (committed) for (const listener of this.#listeners) listener(committed);
    return result;
  }

  lease<T>(name: string, fn: (signal: AbortSignal) => Promise<T>, options = {}) {
    return this.#all.lease(name, fn, options);
  }

  onCommit(listener: (committed: Committed) => void) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Its time is taken at the first event: that of this instance's clock, or past those of the scopes that are locked. */
class InstanceWrite implements WriteTransaction {
  readonly changes: ChangeWriter;
  readonly #inner: WriteTransaction;
  readonly #times: Map<string, number>;
  readonly #clock: () => number;
  readonly #locked = new Set<string>();
  #now: number | undefined;

  constructor(inner: WriteTransaction, times: Map<string, number>, clock: () => number) {
    this.#inner = inner;
    this.#times = times;
    this.#clock = clock;
    this.changes = new ChangeWriter(this);
  }

  get now(): number {
    this.#now ??= Math.max(this.#clock(), ...[...this.#locked].map((scope) => (this.#times.get(scope) ?? 0) + 1));
    return this.#now;
  }

  async emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent) {
    this.#locked.add(`${scopeKey}`);
    const emitted = await this.changes.emit(scopeTable, scopeKey, event);
    for (const scope of this.#locked) this.#times.set(scope, Math.max(this.now, this.#times.get(scope) ?? 0));
    return emitted;
  }

  table<T extends AnyTable>(table: T): TableWriter<T> {
    const inner = this.#inner.table(table);
    return new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name);
        if (name !== 'lock') return typeof value === 'function' ? value.bind(target) : value;
        return (key: Key, mode: 'update' | 'share') => {
          this.#locked.add(`${key}`);
          return target.lock(key, mode);
        };
      },
    });
  }
}
