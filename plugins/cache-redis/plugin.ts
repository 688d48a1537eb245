import { createHash } from 'node:crypto';
import { z } from 'zod';
import { cache } from '../../core/contracts/cache.ts';
import { clock } from '../../core/contracts/clock.ts';
import { healthChecks } from '../../core/contracts/health.ts';
import { changeLog } from '../../core/contracts/log.ts';
import { redis } from '../../core/contracts/redis.ts';
import { type Store, store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { invalidateChanged, invalidateFollowed } from '../../core/lib/invalidation.ts';
import { onceReady } from '../../core/lib/once-ready.ts';
import { ReadThrough } from '../../core/lib/read-through.ts';
import { systemClock } from '../../core/lib/time.ts';
import { RedisBackend } from './backend.ts';

/** Keeps rows in Redis, for all instances on one store, and forgets them when they change. */
export default definePlugin({
  name: 'cache-redis',
  kernel: '^1.0.0',
  requires: { store, redis },
  optional: { changeLog, clock },
  provides: { cache },
  contributes: { healthChecks },
  config: z.strictObject({
    /** Seconds until a row is read anew, also when nobody said that it changed. */
    ttlSeconds: z.number().int().min(1).max(31_536_000).default(3600),
    /** The most milliseconds that a read waits for Redis, once; then it is left alone until it answers. */
    limitMs: z.number().int().min(1).max(10_000).default(100),
  }),
  setup({ config, deps, contribute, defer, log }) {
    const now = deps.clock ?? systemClock;
    const backend = new RedisBackend(deps.redis, { clock: now, limitMs: config.limitMs });
    const rows = new ReadThrough('redis', backend, { ttlMs: config.ttlSeconds * 1000, clock: now });
    const closing = new AbortController();
    defer('entries', () => {
      closing.abort();
      backend.close();
    });
    contribute.healthChecks({
      component: 'cache',
      type: 'redis',
      required: false,
      async check() {
        if (backend.usable) return { status: 'up' };
        const detail = deps.redis.connected ? 'Redis does not answer, or refuses' : 'Redis cannot be reached';
        return { status: 'degraded', detail };
      },
    });
    defer(
      'commit watch',
      deps.store.onCommit(({ changes }) => invalidateChanged(rows, changes)),
    );
    return {
      provides: { cache: rows },
      async start(_collected, start) {
        // The log runs from its own start on, which is before this one.
        if (deps.changeLog) defer('log watch', invalidateFollowed(rows, deps.changeLog));
        // Until the store has a name there is nothing to look for.
        const open = () => backend.open(namespaceOf(deps.store));
        await onceReady(deps.store, open, { what: 'the cache', signal: closing.signal, start, log });
      },
    };
  },
});

/** Another store's rows are others, and so may be what another version of a table reads in them. */
function namespaceOf({ id, tables }: Store): string {
  const shape = createHash('sha256').update(JSON.stringify(tables)).digest('hex').slice(0, 12);
  return `tracker:{${id}}:${shape}`;
}
