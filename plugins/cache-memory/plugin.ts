import { z } from 'zod';
import { cache } from '../../core/contracts/cache.ts';
import { clock } from '../../core/contracts/clock.ts';
import { healthChecks } from '../../core/contracts/health.ts';
import { changeLog } from '../../core/contracts/log.ts';
import { store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { invalidateChanged, invalidateFollowed } from '../../core/lib/invalidation.ts';
import { ReadThrough } from '../../core/lib/read-through.ts';
import { systemClock } from '../../core/lib/time.ts';
import { boundedMap, memoryBackend } from './backend.ts';

/** Keeps rows in this process, and forgets them when they change. */
export default definePlugin({
  name: 'cache-memory',
  kernel: '^1.0.0',
  requires: { store },
  optional: { changeLog, clock },
  provides: { cache },
  contributes: { healthChecks },
  config: z.strictObject({
    /** Seconds until a row is read anew, also when nobody said that it changed. */
    ttlSeconds: z.number().int().min(1).max(31_536_000).default(3600),
    /** The most rows that are kept; those not used for long make way. */
    maxEntries: z.number().int().min(1).max(10_000_000).default(10_000),
  }),
  setup({ config, deps, contribute, defer }) {
    const memory = new ReadThrough('memory', memoryBackend(boundedMap(config.maxEntries)), {
      ttlMs: config.ttlSeconds * 1000,
      clock: deps.clock ?? systemClock,
    });
    contribute.healthChecks({
      component: 'cache',
      type: 'memory',
      required: false,
      check: async () => ({ status: 'up' }),
    });
    defer(
      'commit watch',
      deps.store.onCommit(({ changes }) => invalidateChanged(memory, changes)),
    );
    return {
      provides: { cache: memory },
      start() {
        // The log runs from its own start on, which is before this one.
        if (deps.changeLog) defer('log watch', invalidateFollowed(memory, deps.changeLog));
      },
    };
  },
});
