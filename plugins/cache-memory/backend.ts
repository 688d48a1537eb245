import Keyv, { type DeserializedData } from 'keyv';
import QuickLRU from 'quick-lru';
import type { CacheBackend, CacheEntry } from '../../core/lib/read-through.ts';

/** Keeps at most maxEntries entries, at least the latter half of those that were used last. */
export function boundedMap(maxEntries: number): QuickLRU<string, unknown> {
  // QuickLRU keeps two generations of up to maxSize entries each, less one.
  return new QuickLRU({ maxSize: Math.floor((maxEntries + 1) / 2) });
}

/**
 * Keyv over a map. Entries are kept as they are, without serialization, and without Keyv's own time to live, which
 * would be the system's time instead of the injected clock.
 */
export function memoryBackend(store: QuickLRU<string, unknown>): CacheBackend {
  const keyv = new Keyv<CacheEntry>({ store, useKeyPrefix: false, throwOnErrors: true });
  keyv.serialize = undefined;
  keyv.deserialize = undefined;
  return {
    get: (key) => keyv.get<CacheEntry>(key),
    peek: (key) => (store.get(key) as DeserializedData<CacheEntry> | undefined)?.value,
    async set(key, entry) {
      await keyv.set(key, entry);
    },
    async delete(keys) {
      for (const key of keys) await keyv.delete(key);
    },
    clear: () => keyv.clear(),
  };
}
