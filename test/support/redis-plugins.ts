import type { Redis } from '../../core/contracts/redis.ts';
import { type Store, StoreError } from '../../core/contracts/store.ts';
import plugin from '../../plugins/redis/plugin.ts';
import { setUp } from '../unit/plugin-context.ts';

/** The plugin redis with these settings, started. */
export async function startRedisPlugin(config: {
  readonly address: string;
  readonly database?: number;
  readonly password?: string;
  readonly timeoutMs?: number;
}) {
  const { instance, log, release } = await setUp(plugin, { config });
  await instance.start({}, new AbortController().signal);
  return { redis: instance.provides.redis as Redis, lines: log.lines, release };
}

/** Settles when the connection is as it is said. */
export async function whenConnected(redis: Redis, connected: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = redis.onConnection((now) => {
    if (now === connected) resolve();
  });
  if (redis.connected !== connected) await promise;
  end();
}

/** What a cache needs of a store, of one with this id, which is known when it is ready. */
export function storeNamed(id: string, ready?: Promise<void>): Partial<Store> {
  let isReady = !ready;
  ready?.then(() => {
    isReady = true;
  });
  return {
    get id() {
      if (!isReady) throw new StoreError('unavailable', 'not ready');
      return id;
    },
    tables: [],
    ready: async () => ready,
    onCommit: () => () => {},
  };
}
