import { token } from '../kernel/plugin.ts';
import type { Json } from './tables.ts';

/**
 * Rows that were fetched by id, kept near. A cache is never the truth: writes and authorization read the store, and
 * when the cache is down, slow or wrong about itself, the store answers.
 */
export interface Cache {
  /** 'memory' or 'redis': as CACHE_TYPE names it. */
  readonly kind: string;
  /**
   * Returns the value under the key, or loads it and keeps it. Callers that miss the same key at the same time
   * share one load. `undefined` from load (there is no such row) is returned and not kept; an error of load is
   * thrown to all who share it. An error of the cache itself is counted and never thrown.
   */
  through<T extends Json>(namespace: string, key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /**
   * Forgets the keys, and keeps loads that are under way from storing what they may have read before. The values
   * are gone for callers of this instance when it returns, and for others when the promise settles.
   */
  invalidate(namespace: string, keys: readonly string[]): Promise<void>;
  /**
   * Forgets everything that is known of this store, for all instances that share the cache. Throws `unavailable` where
   * they cannot be told; for callers of this instance it is gone all the same.
   */
  clear(): Promise<void>;
  /** Since the start. An error is a call to the cache's backend that failed or took too long. */
  counts(): { readonly hits: number; readonly misses: number; readonly errors: number };
}

export const cache = token<Cache>('cache');
