import type { Cache } from '../contracts/cache.ts';
import type { Clock } from '../contracts/clock.ts';
import { DomainError } from '../contracts/errors.ts';
import type { Json } from '../contracts/tables.ts';

/** A cached value and when it ends, in microseconds of the cache's clock. */
export interface CacheEntry {
  readonly value: Json;
  readonly expires: number;
}

/**
 * Where a cache keeps its entries. Operations that are called one after the other for one key take effect in that
 * order once they settle. Each ends in bounded time; one that fails throws. After a deletion or a `clear` that failed,
 * `get` must not return what it was to delete.
 */
export interface CacheBackend {
  /**
   * `look` is the same object in the `set` that follows: a backend that others write to can tell there whether the key
   * was deleted since this `get`, and then must not set it.
   */
  get(key: string, look: object): Promise<CacheEntry | undefined>;
  /** What `get` would find, of a backend that can tell at once. */
  peek?(key: string): CacheEntry | undefined;
  set(key: string, entry: CacheEntry, ttlMs: number, look: object): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
  /** Deletes every entry. */
  clear(): Promise<void>;
}

/** One look-up that is under way, shared by all who ask for its key. */
interface Flight {
  readonly result: Promise<Json | undefined>;
  hit: boolean;
  /** Set by an invalidation: what this flight read may be old, so it is not kept. */
  barred: boolean;
  /** Settles, without error, when the backend has taken the value. */
  storing: Promise<void> | undefined;
}

/** The cache contract over a backend: one load per key, no stale store, time to live, counts. */
export class ReadThrough implements Cache {
  readonly kind: string;
  readonly #backend: CacheBackend;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #flights = new Map<string, Flight>();
  /** Keys that the backend has yet to delete, with how many deletions are under way: it is not asked for them. */
  readonly #deleting = new Map<string, number>();
  /** How many deletions of everything are under way. */
  #clearing = 0;
  #hits = 0;
  #misses = 0;
  #errors = 0;

  constructor(kind: string, backend: CacheBackend, options: { readonly ttlMs: number; readonly clock: Clock }) {
    this.kind = kind;
    this.#backend = backend;
    this.#ttlMs = options.ttlMs;
    this.#clock = options.clock;
  }

  async through<T extends Json>(namespace: string, key: string, load: () => Promise<T | undefined>) {
    const full = fullKey(namespace, key);
    const known = this.#peek(full);
    if (known) {
      this.#hits += 1;
      return known.value as T;
    }
    const flight = this.#flights.get(full) ?? this.#fly(full, load);
    try {
      return (await flight.result) as T | undefined;
    } finally {
      if (flight.hit) this.#hits += 1;
      else this.#misses += 1;
    }
  }

  async invalidate(namespace: string, keys: readonly string[]): Promise<void> {
    const all = keys.map((key) => fullKey(namespace, key)).filter((key) => this.#mayHold(key));
    if (all.length === 0) return;
    const storing: Promise<void>[] = [];
    for (const key of all) {
      const flight = this.#flights.get(key);
      if (flight) {
        flight.barred = true;
        this.#flights.delete(key);
        if (flight.storing) storing.push(flight.storing);
      }
      this.#deleting.set(key, (this.#deleting.get(key) ?? 0) + 1);
    }
    // Behind a value that is being stored now, or it would outlive its deletion.
    if (storing.length > 0) await Promise.all(storing);
    await this.#attempt(() => this.#backend.delete(all));
    for (const key of all) {
      const left = (this.#deleting.get(key) as number) - 1;
      if (left > 0) this.#deleting.set(key, left);
      else this.#deleting.delete(key);
    }
  }

  async clear(): Promise<void> {
    const storing = [...this.#flights.values()].flatMap((flight) => {
      flight.barred = true;
      return flight.storing ?? [];
    });
    this.#flights.clear();
    this.#clearing += 1;
    try {
      await Promise.all(storing);
      await this.#backend.clear();
    } catch (error) {
      this.#errors += 1;
      throw new DomainError('UNAVAILABLE', 'CACHE_UNAVAILABLE', 'the cache cannot be reached', { cause: error });
    } finally {
      this.#clearing -= 1;
    }
  }

  counts() {
    return { hits: this.#hits, misses: this.#misses, errors: this.#errors };
  }

  /** What the backend holds under the key is not to be used. */
  #isBarred(key: string): boolean {
    return this.#clearing > 0 || this.#deleting.has(key);
  }

  /** A hit that nobody has to wait for. */
  #peek(key: string): CacheEntry | undefined {
    if (!this.#backend.peek || this.#flights.has(key) || this.#isBarred(key)) return undefined;
    const entry = this.#backend.peek(key);
    return entry && entry.expires > this.#clock.now() ? entry : undefined;
  }

  /** Most of what changes was never asked for. */
  #mayHold(key: string): boolean {
    const backend = this.#backend;
    if (!backend.peek || this.#flights.has(key) || this.#deleting.has(key)) return true;
    return backend.peek(key) !== undefined;
  }

  #fly(key: string, load: () => Promise<Json | undefined>): Flight {
    const { promise, resolve, reject } = Promise.withResolvers<Json | undefined>();
    const flight: Flight = { result: promise, hit: false, barred: this.#isBarred(key), storing: undefined };
    this.#flights.set(key, flight);
    this.#lookUp(key, flight, load)
      .then(resolve, reject)
      .finally(() => {
        if (this.#flights.get(key) === flight && !flight.storing) this.#flights.delete(key);
      });
    return flight;
  }

  async #lookUp(key: string, flight: Flight, load: () => Promise<Json | undefined>): Promise<Json | undefined> {
    const entry = flight.barred ? undefined : await this.#attempt(() => this.#backend.get(key, flight));
    // An invalidation since then means that the entry may be the old one; those who ask from now on load anew.
    if (entry && entry.expires > this.#clock.now()) {
      flight.hit = true;
      return deepFreeze(entry.value);
    }
    const value = await load();
    if (value === undefined) return undefined;
    deepFreeze(value);
    if (!flight.barred) {
      const expires = this.#clock.now() + this.#ttlMs * 1000;
      // The callers do not wait for it; the flight stays until it is done, so that an invalidation can.
      const store = () => this.#backend.set(key, { value, expires }, this.#ttlMs, flight);
      flight.storing = this.#attempt(store).finally(() => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      });
    }
    return value;
  }

  /** An error of the backend is counted and goes no further. */
  async #attempt<R>(operation: () => Promise<R>): Promise<R | undefined> {
    try {
      return await operation();
    } catch {
      this.#errors += 1;
      return undefined;
    }
  }
}

/** No two pairs of namespace and key make the same: an encoded namespace has no colon. */
function fullKey(namespace: string, key: string): string {
  return `${encodeURIComponent(namespace)}:${key}`;
}

/** Values are shared between callers, so nobody may change one. Stops at what is frozen, as rows are. */
function deepFreeze<T extends Json>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
