import assert from 'node:assert/strict';
import type { Cache } from '../../../core/contracts/cache.ts';
import type { Change, Committed } from '../../../core/contracts/log.ts';
import { type CacheBackend, type CacheEntry, ReadThrough } from '../../../core/lib/read-through.ts';
import { systemClock } from '../../../core/lib/time.ts';
import { cacheConformance } from '../../../core/testing/cache-conformance.ts';
import { boundedMap, memoryBackend } from '../../../plugins/cache-memory/backend.ts';
import plugin from '../../../plugins/cache-memory/plugin.ts';
import { setUp } from '../plugin-context.ts';

cacheConformance(
  { describe, it },
  {
    name: 'memory',
    async open({ ttlMs, maxEntries, clock }) {
      return {
        cache: new ReadThrough('memory', memoryBackend(boundedMap(maxEntries)), { ttlMs, clock }),
        async close() {},
      };
    },
  },
);

describe('the bounded map', () => {
  it('never holds more than its bound, and at least half of it', () => {
    for (const bound of [1, 2, 3, 10, 11]) {
      const map = boundedMap(bound);
      for (let n = 0; n < 50; n++) {
        map.set(`${n}`, n);
        const held = [...map.keys()].length;
        assert.ok(held <= bound && held >= Math.min(n + 1, Math.floor(bound / 2)), `${held} of ${bound}`);
        assert.equal(map.get(`${n}`), n);
      }
    }
  });
});

describe('the cache-memory plugin', () => {
  type Watch<T> = { listener?: (value: T) => void };
  const watch = <T>() => {
    const watched: Watch<T> = {};
    const subscribe = (listener: (value: T) => void) => {
      watched.listener = listener;
      return () => {
        delete watched.listener;
      };
    };
    return { watched, subscribe };
  };

  async function started() {
    const commits = watch<Committed>();
    const log = watch<readonly Change[]>();
    const { instance, release } = await setUp(plugin, {
      deps: {
        store: { onCommit: commits.subscribe },
        changeLog: { follow: log.subscribe, followed: () => 10 },
      },
      config: {},
    });
    await instance.start({}, new AbortController().signal);
    const cache = instance.provides.cache as Cache;
    await cache.through('user', 'u1', async () => 'old');
    return { cache, commits: commits.watched, log: log.watched, release };
  }

  it('forgets what this instance commits before the write returns', async () => {
    const { cache, commits } = await started();
    commits.listener?.({ seq: 1, changes: [{ entity: 'user', entityId: 'u1', scope: 'users/u1' }] });
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'new');
  });

  it('forgets what the change log says others committed', async () => {
    const { cache, log } = await started();
    log.listener?.([{ entity: 'user', entityId: 'u2' } as Change, { entity: 'user', entityId: 'u1' } as Change]);
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'new');
  });

  it('keeps what a change of something else does not concern', async () => {
    const { cache, log } = await started();
    log.listener?.([{ entity: 'project', entityId: 'u1' } as Change]);
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'old');
  });

  it('forgets everything where events were deleted before it had read them', async () => {
    const { cache, log } = await started();
    const next = (seq: number) => log.listener?.([{ seq, entity: 'project', entityId: 'p1' } as Change]);
    next(11);
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'old');
    next(13);
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'new');
  });

  it('finds such a gap also in front of the first events that it hears of', async () => {
    const { cache, log } = await started();
    log.listener?.([{ seq: 12, entity: 'project', entityId: 'p1' } as Change]);
    assert.equal(await cache.through('user', 'u1', async () => 'new'), 'new');
  });

  it('stops watching when it is released', async () => {
    const { commits, log, release } = await started();
    await release();
    assert.deepEqual([commits.listener, log.listener], [undefined, undefined]);
  });

  it('works without a change log', async () => {
    const { instance } = await setUp(plugin, { deps: { store: { onCommit: () => () => {} } }, config: {} });
    await instance.start({}, new AbortController().signal);
  });
});

describe('a cache whose backend is slow', () => {
  const shows = async (atOnce: boolean) => {
    const entries = new Map<string, CacheEntry>();
    const stored = Promise.withResolvers<void>();
    const lastDeletion = Promise.withResolvers<void>();
    let deletions = 0;
    const backend: CacheBackend = {
      get: async (key) => entries.get(key),
      ...(atOnce && { peek: (key: string) => entries.get(key) }),
      async set(key, entry) {
        await stored.promise;
        entries.set(key, entry);
      },
      async delete(keys) {
        deletions += 1;
        if (deletions > 1) await lastDeletion.promise;
        for (const key of keys) entries.delete(key);
      },
      clear: async () => entries.clear(),
    };
    const cache = new ReadThrough('slow', backend, { ttlMs: 60_000, clock: systemClock });
    await cache.through('user', 'a', async () => 'old');
    // The first waits for the value that is being stored, the second does not.
    const first = cache.invalidate('user', ['a']);
    await cache.invalidate('user', ['a']);
    stored.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(entries.size, 1);
    assert.equal(await cache.through('user', 'a', async () => 'new'), 'new');
    lastDeletion.resolve();
    await first;
    assert.equal(await cache.through('user', 'a', async () => 'newer'), 'newer');
  };

  it('shows no old value while one of several deletions is under way', () => shows(false));

  it('shows none also where it can be read at once', () => shows(true));
});

describe('a cache whose backend is a class', () => {
  class Backend implements CacheBackend {
    readonly #entries = new Map<string, CacheEntry>();

    async get(key: string) {
      return this.#entries.get(key);
    }

    peek(key: string) {
      return this.#entries.get(key);
    }

    async set(key: string, entry: CacheEntry) {
      this.#entries.set(key, entry);
    }

    async delete(keys: readonly string[]) {
      for (const key of keys) this.#entries.delete(key);
    }

    async clear() {
      this.#entries.clear();
    }
  }

  cacheConformance(
    { describe, it },
    {
      name: 'of a class',
      open: async ({ ttlMs, clock }) => ({
        cache: new ReadThrough('class', new Backend(), { ttlMs, clock }),
        async close() {},
      }),
      exclude: { 'keeps a bounded number of values, the latest among them': 'its map grows' },
    },
  );
});

describe('a cache whose backend fails', () => {
  const away = async (): Promise<never> => {
    throw new Error('no connection');
  };
  const backend = { get: away, set: away, delete: away, clear: away };
  const cache = new ReadThrough('broken', backend, { ttlMs: 1000, clock: systemClock });

  it('lets the store answer, and counts the errors', async () => {
    assert.equal(await cache.through('user', 'a', async () => 'from the store'), 'from the store');
    await cache.invalidate('user', ['a']);
    assert.equal(await cache.through('user', 'a', async () => 'again'), 'again');
    assert.ok(cache.counts().errors >= 3);
    assert.equal(cache.counts().hits, 0);
  });

  it('says that it could not forget everything, in its own words', async () => {
    await assert.rejects(cache.clear(), { code: 'UNAVAILABLE', reason: 'CACHE_UNAVAILABLE' });
  });

  it('throws an error of the load as it is', async () => {
    await assert.rejects(
      cache.through('user', 'a', async () => {
        throw new Error('the store is away');
      }),
      /the store is away/,
    );
  });
});
