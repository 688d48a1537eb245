import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/contracts/clock.ts';
import { type KeyValues, type Redis, redisUnavailable } from '../../core/contracts/redis.ts';
import type { Json } from '../../core/contracts/tables.ts';
import type { CacheBackend, CacheEntry } from '../../core/lib/read-through.ts';
import { Breaker } from './breaker.ts';

/** What a look-up that found nothing may fill, until somebody deletes the key. */
interface Lease {
  readonly token: string;
  readonly generation: string;
}

/** No entry's key: those have a colon. */
const GENERATION = 'generation';
const GENERATION_MS = 7 * 86_400_000;
/** A load that takes longer fills nothing. */
const LEASE_MS = 10_000;
const RETRY_MS = 500;
/** Keys that are deleted at a time. */
const BATCH = 500;

/**
 * Entries in Redis, for all instances on one store.
 *
 * Who finds nothing leaves a lease under the key, and fills it only where the lease is still there: a deletion takes it
 * away, so that nobody puts back what was read before a deletion, however late.
 *
 * An entry counts only while its generation is the one in Redis. Where deletions may have been missed (at the start,
 * after one that failed, where Redis was restarted and may hold old data), nothing is read before a new one has begun.
 */
export class RedisBackend implements CacheBackend {
  readonly #redis: Redis;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  readonly #leases = new WeakMap<object, Lease>();
  #entries: KeyValues | undefined;
  #server: string | undefined;
  /** Deletions that failed, and how many of them a new generation has made up for. */
  #missed = 0;
  #madeUpFor = 0;
  #unwatch: (() => void) | undefined;

  constructor(redis: Redis, options: { readonly clock: Clock; readonly limitMs: number }) {
    this.#redis = redis;
    this.#clock = options.clock;
    this.#breaker = new Breaker({
      limitMs: options.limitMs,
      retryMs: RETRY_MS,
      recover: (close) => this.#recover(close),
    });
  }

  /** Whether Redis is asked; else nothing is found, and nothing kept. */
  get usable(): boolean {
    return this.#breaker.closed;
  }

  /** Begins to use Redis, with the keys of this namespace. Settles after the first try. */
  async open(namespace: string): Promise<void> {
    this.#entries = this.#redis.keyValues(namespace);
    this.#unwatch = this.#redis.onConnection((connected) => {
      if (connected) void this.#breaker.retry();
      else this.#breaker.trip();
    });
    await this.#breaker.start();
  }

  close(): void {
    this.#unwatch?.();
    this.#breaker.stop();
  }

  async get(key: string, look: object): Promise<CacheEntry | undefined> {
    const entries = this.#usableEntries();
    if (!entries) return undefined;
    return this.#breaker.call(async () => {
      const [found, text] = await entries.get([GENERATION, key]);
      const entry = found !== undefined && text?.startsWith(found) ? parse(text.slice(found.length)) : undefined;
      if (entry && entry.expires > this.#clock.now()) return entry;
      const generation = found ?? randomUUID();
      const token = `lease ${randomUUID()}`;
      const begun = found === undefined ? entries.set(GENERATION, generation, GENERATION_MS) : undefined;
      await Promise.all([begun, entries.set(key, token, LEASE_MS)]);
      this.#leases.set(look, { token, generation });
      return undefined;
    });
  }

  async set(key: string, entry: CacheEntry, ttlMs: number, look: object): Promise<void> {
    const entries = this.#usableEntries();
    const lease = this.#leases.get(look);
    if (!entries || !lease) return;
    // Where that generation has ended, nobody reads it.
    const text = lease.generation + JSON.stringify(entry);
    await this.#breaker.call(() => entries.replace(key, lease.token, text, ttlMs));
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (let from = 0; from < keys.length; from += BATCH) {
      const entries = this.#usableEntries();
      if (!entries) {
        this.#missed += 1;
        return;
      }
      await this.#delete(entries, keys.slice(from, from + BATCH));
    }
  }

  async clear(): Promise<void> {
    const entries = this.#usableEntries();
    if (entries) return this.#delete(entries, [GENERATION]);
    this.#missed += 1;
    throw redisUnavailable();
  }

  #usableEntries(): KeyValues | undefined {
    return this.#breaker.closed ? this.#entries : undefined;
  }

  async #delete(entries: KeyValues, keys: readonly string[]): Promise<void> {
    try {
      await this.#breaker.call(() => entries.delete(keys));
    } catch (error) {
      this.#missed += 1;
      throw error;
    }
  }

  async #recover(close: () => void): Promise<void> {
    for (;;) {
      const missed = this.#missed;
      const server = await this.#redis.server();
      if (missed > this.#madeUpFor || server !== this.#server) {
        await this.#entries!.delete([GENERATION]);
        this.#madeUpFor = Math.max(this.#madeUpFor, missed);
        this.#server = server;
      }
      if (this.#missed === this.#madeUpFor) return close();
    }
  }
}

/** Undefined for what no tracker wrote: others may write to Redis too. */
function parse(text: string): CacheEntry | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { value, expires } = entry as { readonly value?: Json; readonly expires?: unknown };
  return value !== undefined && typeof expires === 'number' ? { value, expires } : undefined;
}
