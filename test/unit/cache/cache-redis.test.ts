import assert from 'node:assert/strict';
import type { Cache } from '../../../core/contracts/cache.ts';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import type { KeyValues, Redis } from '../../../core/contracts/redis.ts';
import { ReadThrough } from '../../../core/lib/read-through.ts';
import { systemClock } from '../../../core/lib/time.ts';
import { cacheConformance } from '../../../core/testing/cache-conformance.ts';
import { RedisBackend } from '../../../plugins/cache-redis/backend.ts';
import plugin from '../../../plugins/cache-redis/plugin.ts';
import { startRedisPlugin, storeNamed, whenConnected } from '../../support/redis-plugins.ts';
import { type OwnRedis, ownRedis } from '../../support/services/redis.ts';
import { setUp } from '../plugin-context.ts';

const value = (of: string) => async () => of;
const fail = async (): Promise<never> => assert.fail('it was loaded again');
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the cache in Redis', () => {
  let server: OwnRedis;
  let names = 0;
  before(async function () {
    server = await ownRedis(this);
  });
  after(() => server?.close());

  interface Instance {
    readonly cache: Cache;
    readonly redis: Redis;
    /** Operations that were given to Redis. */
    readonly calls: () => number;
    readonly backend: RedisBackend;
    /** Settles when the cache asks Redis. */
    usable(usable?: boolean): Promise<void>;
    close(): Promise<void>;
  }

  /** One instance of a tracker. */
  async function instance(
    namespace: string,
    options: {
      readonly clock?: { now(): number };
      readonly ttlMs?: number;
      /** Long, but where it is what is tested: another program may keep this machine busy. */
      readonly limitMs?: number;
    } = {},
  ): Promise<Instance> {
    const { redis, release } = await startRedisPlugin({ address: server.address });
    let calls = 0;
    const watched: Redis = Object.create(redis, {
      connected: { get: () => redis.connected },
      onConnection: { value: redis.onConnection.bind(redis) },
      server: { value: redis.server.bind(redis) },
      keyValues: {
        value: (of: string) => {
          const entries = redis.keyValues(of);
          const all = (['get', 'set', 'replace', 'delete'] as const).map((operation) => [
            operation,
            async (...args: never[]) => {
              calls += 1;
              return (entries[operation] as (...args: never[]) => Promise<unknown>)(...args);
            },
          ]);
          return Object.fromEntries(all) as KeyValues;
        },
      },
    });
    const clock = options.clock ?? systemClock;
    const backend = new RedisBackend(watched, { clock, limitMs: options.limitMs ?? 10_000 });
    backend.open(namespace);
    const usable = async (wanted = true) => {
      while (backend.usable !== wanted) await turn();
    };
    await usable();
    return {
      cache: new ReadThrough('redis', backend, { ttlMs: options.ttlMs ?? 60_000, clock }),
      redis,
      calls: () => calls,
      backend,
      usable,
      async close() {
        backend.close();
        await release();
      },
    };
  }

  const newName = () => `test-${++names}`;

  /** Reads until it is a hit: fills are not waited for. */
  async function store(cache: Cache, key: string, text: string): Promise<void> {
    for (;;) {
      const { hits } = cache.counts();
      await cache.through('user', key, value(text));
      if (cache.counts().hits > hits) return;
      await turn();
    }
  }

  cacheConformance(
    { describe, it },
    {
      name: 'redis',
      open: ({ ttlMs, clock }) => instance(newName(), { ttlMs, clock }),
      exclude: {
        'keeps a bounded number of values, the latest among them': "how much is kept is the Redis server's maxmemory",
      },
    },
  );

  it('is common to the instances of a store: what one loaded the other finds, and what one deletes is gone', async () => {
    const name = newName();
    const [one, other] = [await instance(name), await instance(name)];
    await store(one.cache, 'a', 'old');
    assert.equal(await other.cache.through('user', 'a', fail), 'old');
    await one.cache.invalidate('user', ['a']);
    assert.equal(await other.cache.through('user', 'a', value('new')), 'new');
    await store(other.cache, 'a', 'new');
    await one.cache.clear();
    assert.equal(await other.cache.through('user', 'a', value('newer')), 'newer');
    await one.close();
    await other.close();
  });

  it('does not let an instance put back what it read before another deleted it', async () => {
    const name = newName();
    const [writer, slow] = [await instance(name), await instance(name)];
    const loaded = Promise.withResolvers<string>();
    const loading = Promise.withResolvers<void>();
    const reading = slow.cache.through('user', 'a', () => {
      loading.resolve();
      return loaded.promise;
    });
    await loading.promise;
    await writer.cache.invalidate('user', ['a']);
    const fills = slow.calls();
    loaded.resolve('old');
    assert.equal(await reading, 'old');
    // It does try.
    while (slow.calls() === fills) await turn();
    assert.equal(await writer.cache.through('user', 'a', value('new')), 'new');
    await store(writer.cache, 'a', 'new');
    assert.equal(await slow.cache.through('user', 'a', fail), 'new');
    await writer.close();
    await slow.close();
  });

  it('does not let it either where everything was forgotten meanwhile', async () => {
    const name = newName();
    const [writer, slow] = [await instance(name), await instance(name)];
    const loaded = Promise.withResolvers<string>();
    const loading = Promise.withResolvers<void>();
    const reading = slow.cache.through('user', 'a', () => {
      loading.resolve();
      return loaded.promise;
    });
    await loading.promise;
    await writer.cache.clear();
    loaded.resolve('old');
    await reading;
    assert.equal(await writer.cache.through('user', 'a', value('new')), 'new');
    await writer.close();
    await slow.close();
  });

  it('begins anew at each start: deletions may have been missed before', async () => {
    const name = newName();
    const first = await instance(name);
    await store(first.cache, 'a', 'old');
    await first.close();
    const second = await instance(name);
    assert.equal(await second.cache.through('user', 'a', value('new')), 'new');
    await second.close();
  });

  it('lets the store answer while Redis is stopped, without asking Redis once, and uses it again after', async () => {
    const { cache, redis, calls, usable, close } = await instance(newName());
    await store(cache, 'a', 'old');
    await server.stop();
    await whenConnected(redis, false);
    const before = calls();
    for (let n = 0; n < 100; n++) assert.equal(await cache.through('user', 'a', value(`${n}`)), `${n}`);
    await cache.invalidate('user', ['a']);
    assert.equal(calls(), before);
    await server.start();
    await usable();
    await store(cache, 'a', 'new');
    assert.equal(await cache.through('user', 'a', fail), 'new');
    await close();
  });

  it('waits for a frozen Redis once, all callers together, and then asks it no more until it answers', async () => {
    const { cache, calls, usable, close } = await instance(newName(), { limitMs: 100 });
    server.freeze();
    try {
      const keys = Array.from({ length: 50 }, (_, n) => `${n}`);
      const seen = await Promise.all(keys.map((key) => cache.through('user', key, value(key))));
      assert.deepEqual(seen, keys);
      const [before, { errors }] = [calls(), cache.counts()];
      assert.ok(errors > 0);
      for (const key of keys) assert.equal(await cache.through('user', key, value('store')), 'store');
      assert.deepEqual([calls(), cache.counts().errors], [before, errors]);
    } finally {
      server.thaw();
    }
    await usable();
    await store(cache, 'a', 'here');
    await close();
  });

  it('shows nothing of before a deletion that Redis did not take', async () => {
    const name = newName();
    const [writer, other] = [await instance(name, { limitMs: 100 }), await instance(name)];
    for (const key of ['a', 'b']) {
      await store(writer.cache, key, 'old');
    }
    server.freeze();
    try {
      // The first finds out that Redis is frozen, the second does not try.
      await writer.cache.invalidate('user', ['a']);
      await writer.usable(false);
      await writer.cache.invalidate('user', ['b']);
      assert.equal(await writer.cache.through('user', 'b', value('new')), 'new');
    } finally {
      server.thaw();
    }
    await writer.usable();
    for (const key of ['a', 'b']) {
      assert.equal(await writer.cache.through('user', key, value('new')), 'new');
      assert.equal(await other.cache.through('user', key, value('new')), 'new');
    }
    await writer.close();
    await other.close();
  });

  it('shows nothing of before a deletion that it did not try, since a read had found out that Redis is frozen', async () => {
    const { cache, usable, close } = await instance(newName(), { limitMs: 100 });
    await store(cache, 'a', 'old');
    server.freeze();
    try {
      assert.equal(await cache.through('user', 'b', value('from the store')), 'from the store');
      await usable(false);
      await cache.invalidate('user', ['a']);
    } finally {
      server.thaw();
    }
    await usable();
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    await close();
  });

  it('shows nothing of an old copy that a restarted Redis comes up with', async () => {
    const { cache, redis, usable, close } = await instance(newName());
    await store(cache, 'a', 'old');
    await server.send(['SAVE']);
    await cache.invalidate('user', ['a']);
    await server.kill();
    await whenConnected(redis, false);
    await server.start();
    assert.notEqual(await server.send(['DBSIZE']), ':0');
    await usable();
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    await close();
  });

  it('takes what others wrote into Redis for nothing', async () => {
    const name = newName();
    const { cache, redis, close } = await instance(name);
    await store(cache, 'a', 'first');
    const entries = redis.keyValues(name);
    const [generation = ''] = await entries.get(['generation']);
    for (const text of ['', 'x', generation, `${generation}{`, `${generation}null`, `${generation}{"value":1}`]) {
      await entries.set('user:a', text, 60_000);
      assert.equal(await cache.through('user', 'a', value('from the store')), 'from the store');
    }
    assert.equal(cache.counts().errors, 0);
    await close();
  });

  it('never shows an instance less than it wrote, whatever the others do, over failures of Redis', async () => {
    const name = newName();
    const limitMs = 100;
    const all = await Promise.all([1, 2, 3].map(() => instance(name, { limitMs })));
    const truth = { a: 0, b: 0 };
    let going = true;
    const work = all.map(async ({ cache }, which) => {
      for (let n = 0; going; n++) {
        const key = n % 2 ? 'a' : 'b';
        if (n % 5 === which) {
          const written = ++truth[key];
          const told = cache.invalidate('row', [key]);
          const seen = await cache.through('row', key, async () => truth[key]);
          assert.ok(seen !== undefined && seen >= written, `${seen} after ${written} was written here`);
          await told;
          // As the change log does for the others.
          for (const { cache: others } of all) void others.invalidate('row', [key]);
        } else {
          await cache.through('row', key, async () => {
            const read = truth[key];
            await turn();
            return read;
          });
        }
        await turn();
      }
    });
    for (let round = 0; round < 3; round++) {
      server.freeze();
      await all[0]!.usable(false);
      server.thaw();
      for (const { usable } of all) await usable();
      await server.kill();
      await server.start();
      for (const { redis, usable } of all) {
        await whenConnected(redis, true);
        await usable();
      }
    }
    going = false;
    await Promise.all(work);
    for (const { cache } of all) for (const key of ['a', 'b'] as const) await cache.invalidate('row', [key]);
    for (const { cache } of all)
      for (const key of ['a', 'b'] as const)
        assert.equal(await cache.through('row', key, async () => truth[key]), truth[key]);
    for (const { close } of all) await close();
  });

  describe('as a plugin', () => {
    async function start(store: object, { database = 0, changeLog }: { database?: number; changeLog?: object } = {}) {
      const { redis, release } = await startRedisPlugin({ address: server.address, database });
      const made = await setUp(plugin, { deps: { store, redis, changeLog }, config: { limitMs: 10_000 } });
      await made.instance.start({}, new AbortController().signal);
      const [check] = made.contributed.get('healthChecks') as [HealthCheck];
      const status = async () => (await check.check(new AbortController().signal)).status;
      return {
        cache: made.instance.provides.cache as Cache,
        status,
        async whenUp() {
          while ((await status()) !== 'up') await turn();
        },
        async close() {
          await made.release();
          await release();
        },
      };
    }

    it('asks the store alone before that has a name, and is degraded, not required', async () => {
      const ready = Promise.withResolvers<void>();
      const { cache, status, whenUp, close } = await start(storeNamed('late', ready.promise));
      await cache.through('user', 'a', value('first'));
      assert.equal(await cache.through('user', 'a', value('second')), 'second');
      assert.equal(await status(), 'degraded');
      ready.resolve();
      await whenUp();
      await store(cache, 'a', 'third');
      await close();
    });

    it('forgets everything where events were deleted before it had read them, and nothing where none is missing', async () => {
      let tell: (changes: readonly object[]) => void = () => {};
      const changeLog = {
        followed: () => 10,
        follow(listener: typeof tell) {
          tell = listener;
          return () => {};
        },
      };
      const { cache, whenUp, close } = await start(storeNamed('trimmed'), { changeLog });
      await whenUp();
      await store(cache, 'a', 'old');
      tell([{ seq: 11, entity: 'user', entityId: 'b' }]);
      assert.equal(await cache.through('user', 'a', fail), 'old');
      tell([{ seq: 13, entity: 'user', entityId: 'b' }]);
      assert.equal(await cache.through('user', 'a', value('new')), 'new');
      await close();
    });

    it('keeps the rows of stores apart, and those of versions of a table', async () => {
      const tables = (maxLength: number) => [{ name: 'users', columns: { name: { type: 'text', maxLength } } }];
      const all = [
        await start(storeNamed('one')),
        await start(storeNamed('two')),
        await start({ ...storeNamed('one'), tables: tables(10) }),
        await start({ ...storeNamed('one'), tables: tables(20) }),
      ];
      for (const [n, { cache, whenUp }] of all.entries()) {
        await whenUp();
        assert.equal(await cache.through('user', 'a', value(`${n}`)), `${n}`);
        await store(cache, 'a', `${n}`);
      }
      for (const [n, { cache }] of all.entries()) assert.equal(await cache.through('user', 'a', fail), `${n}`);
      for (const { close } of all) await close();
    });
  });
});
