import assert from 'node:assert/strict';
import type { Cache } from '../contracts/cache.ts';
import type { Clock } from '../contracts/clock.ts';
import { seededRandom } from '../lib/random.ts';
import { defineSuite, type Exclusions, type Suite, type TestRunner } from './suite.ts';

export interface CacheConformance {
  readonly name: string;
  /** Opens an empty cache. Its time is the clock's; it keeps at most maxEntries values, for ttlMs. */
  open(options: { readonly ttlMs: number; readonly maxEntries: number; readonly clock: Clock }): Promise<{
    readonly cache: Cache;
    close(): Promise<void>;
  }>;
  readonly exclude?: Exclusions;
}

const TTL_MS = 60_000;
const MAX_ENTRIES = 100;

interface Subject {
  readonly cache: Cache;
  /** Moves the clock, in microseconds. */
  advance(micros: number): void;
}

/** What every cache promises, see core/contracts/cache.ts. */
export function cacheConformance(runner: TestRunner, { name, open, exclude }: CacheConformance): void {
  const withSubject = async (test: (subject: Subject) => Promise<void>) => {
    let now = 1_700_000_000_000_000;
    const { cache, close } = await open({ ttlMs: TTL_MS, maxEntries: MAX_ENTRIES, clock: { now: () => now } });
    try {
      await test({
        cache,
        advance: (micros) => {
          now += micros;
        },
      });
    } finally {
      await close();
    }
  };
  defineSuite(runner, `cache '${name}'`, suite, withSubject, exclude);
}

const value = (of: string) => async () => of;
const fail = async (): Promise<never> => assert.fail('it was loaded again');

const suite: Suite<Subject> = {
  async 'keeps what it loaded'({ cache }) {
    assert.deepEqual(await cache.through('user', 'a', async () => ({ id: 'a', tags: ['x', null] })), {
      id: 'a',
      tags: ['x', null],
    });
    await settled(cache, 'user', 'a');
    assert.deepEqual(await cache.through('user', 'a', fail), { id: 'a', tags: ['x', null] });
  },

  async 'keeps null, false, 0 and the empty text like other values'({ cache }) {
    for (const [index, each] of [null, false, 0, ''].entries()) {
      await cache.through('user', `${index}`, async () => each);
      await settled(cache, 'user', `${index}`);
      assert.equal(await cache.through('user', `${index}`, fail), each);
    }
  },

  async 'keeps namespaces and keys apart, whatever they contain'({ cache }) {
    const pairs = [
      ['user', 'a'],
      ['project', 'a'],
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a%3Ab', 'c'],
      ['__proto__', 'constructor'],
    ] as const;
    for (const [namespace, key] of pairs) await cache.through(namespace, key, value(`${namespace} ${key}`));
    for (const [namespace, key] of pairs)
      assert.equal(await cache.through(namespace, key, value('another')), `${namespace} ${key}`);
  },

  async 'does not keep undefined'({ cache }) {
    assert.equal(await cache.through('user', 'a', async () => undefined), undefined);
    assert.equal(await cache.through('user', 'a', value('here now')), 'here now');
  },

  async 'shares one load among all who miss a key at the same time'({ cache }) {
    const gate = Promise.withResolvers<string>();
    let loads = 0;
    const load = () => {
      loads += 1;
      return gate.promise;
    };
    const all = Array.from({ length: 100 }, () => cache.through('user', 'a', load));
    gate.resolve('once');
    assert.deepEqual(new Set(await Promise.all(all)), new Set(['once']));
    assert.equal(loads, 1);
  },

  async 'throws an error of the load to all who share it, and does not keep it'({ cache }) {
    const gate = Promise.withResolvers<string>();
    const all = [1, 2, 3].map(() => cache.through('user', 'a', () => gate.promise));
    const outcomes = Promise.allSettled(all);
    // A cache that looks elsewhere first asks for it only later.
    gate.promise.catch(() => {});
    gate.reject(new Error('the store is away'));
    for (const outcome of await outcomes)
      assert.equal(outcome.status === 'rejected' && outcome.reason.message, 'the store is away');
    assert.equal(await cache.through('user', 'a', value('back')), 'back');
  },

  async 'loads anew when the time to live is over, and not before'({ cache, advance }) {
    await cache.through('user', 'a', value('first'));
    await settled(cache, 'user', 'a');
    advance(TTL_MS * 1000 - 1);
    assert.equal(await cache.through('user', 'a', fail), 'first');
    advance(1);
    assert.equal(await cache.through('user', 'a', value('second')), 'second');
  },

  async 'forgets invalidated keys, and only those'({ cache }) {
    for (const key of ['a', 'b', 'c']) await cache.through('user', key, value('old'));
    await settled(cache, 'user', 'c');
    await cache.invalidate('user', ['a', 'b', 'never seen']);
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    assert.equal(await cache.through('user', 'b', value('new')), 'new');
    assert.equal(await cache.through('user', 'c', fail), 'old');
  },

  async 'no longer returns an invalidated value as soon as invalidate returns'({ cache }) {
    await cache.through('user', 'a', value('old'));
    const invalidated = cache.invalidate('user', ['a']);
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    await invalidated;
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
  },

  async 'does not keep what a load read before an invalidation'({ cache }) {
    const slow = Promise.withResolvers<string>();
    const started = Promise.withResolvers<void>();
    const first = cache.through('user', 'a', () => {
      started.resolve();
      return slow.promise;
    });
    await started.promise;
    await cache.invalidate('user', ['a']);
    // Those who ask after the invalidation do not join the load from before.
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    slow.resolve('old');
    assert.equal(await first, 'old');
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
  },

  async 'forgets everything when it is cleared, and what loads that are under way read before'({ cache }) {
    for (const namespace of ['user', 'project']) await cache.through(namespace, 'a', value('old'));
    await settled(cache, 'project', 'a');
    const slow = Promise.withResolvers<string>();
    const loading = cache.through('user', 'b', () => slow.promise);
    const cleared = cache.clear();
    assert.equal(await cache.through('user', 'a', value('new')), 'new');
    await cleared;
    slow.resolve('old');
    assert.equal(await loading, 'old');
    for (const [namespace, key] of [
      ['user', 'a'],
      ['user', 'b'],
      ['project', 'a'],
    ] as const)
      assert.equal(await cache.through(namespace, key, value('new')), 'new');
    await settled(cache, 'user', 'b');
    assert.equal(await cache.through('user', 'b', fail), 'new');
  },

  async 'never shows a reader less than what was invalidated before it asked'({ cache }) {
    const seed = String(process.env['TEST_SEED'] ?? Math.floor(Math.random() * 1e9));
    const random = seededRandom(seed);
    const ticks = async () => {
      for (let left = random.integer(0, 12); left > 0; left--) await undefined;
    };
    const truth = { a: 0, b: 0 };
    const read = async (key: 'a' | 'b') => {
      const known = truth[key];
      const seen = await cache.through('row', key, async () => {
        await ticks();
        const version = truth[key];
        await ticks();
        return version;
      });
      assert.ok(seen !== undefined && seen >= known, `read ${seen} after ${known} was invalidated; TEST_SEED=${seed}`);
    };
    const running: Promise<void>[] = [];
    for (let step = 0; step < 2000; step++) {
      const key = random.pick(['a', 'b'] as const);
      if (random.integer(0, 4) === 0) {
        truth[key] += 1;
        running.push(cache.invalidate('row', [key]));
      } else running.push(read(key));
      await ticks();
    }
    await Promise.all(running);
    await read('a');
    await read('b');
  },

  async 'keeps a bounded number of values, the latest among them'({ cache }) {
    for (let key = 0; key < MAX_ENTRIES * 5; key++) await cache.through('user', `${key}`, async () => key);
    const newest = `${MAX_ENTRIES * 5 - 1}`;
    await settled(cache, 'user', newest);
    let kept = 0;
    const before = cache.counts().hits;
    for (let key = MAX_ENTRIES * 5 - 1; key >= 0; key--) {
      await cache.through('user', `${key}`, async () => undefined);
      kept = cache.counts().hits - before;
      if (`${key}` === newest) assert.equal(kept, 1);
    }
    assert.ok(kept >= MAX_ENTRIES / 2 && kept <= MAX_ENTRIES, `${kept} of at most ${MAX_ENTRIES} values were kept`);
  },

  async 'does not let a caller change what others get'({ cache }) {
    const mine = (await cache.through('user', 'a', async () => ({ tags: ['x'] }))) as { tags: string[] };
    try {
      mine.tags.push('changed');
    } catch {
      // Refusing the change is as good as not showing it.
    }
    await settled(cache, 'user', 'a');
    assert.deepEqual(await cache.through('user', 'a', fail), { tags: ['x'] });
  },

  async 'counts hits and misses'({ cache }) {
    await cache.through('user', 'a', value('here'));
    await settled(cache, 'user', 'a');
    const { hits, misses, errors } = cache.counts();
    await cache.through('user', 'a', fail);
    await cache.through('user', 'b', value('here'));
    assert.deepEqual(cache.counts(), { hits: hits + 1, misses: misses + 1, errors });
    assert.equal(errors, 0);
  },
};

/** Waits until the cache, which does not make its callers wait for that, has stored the value. */
async function settled(cache: Cache, namespace: string, key: string): Promise<void> {
  // One elsewhere takes as long as the machine lets it.
  const end = Date.now() + 10_000;
  while (Date.now() < end) {
    let loaded = false;
    const before = cache.counts().hits;
    await cache.through(namespace, key, async () => {
      loaded = true;
      return undefined;
    });
    if (!loaded && cache.counts().hits > before) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`${namespace} ${key} was never stored`);
}
