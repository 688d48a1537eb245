import { z } from 'zod';
import { seeded, seeders } from '../../core/contracts/seed.ts';
import { store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { onceReady } from '../../core/lib/once-ready.ts';
import { inOrder, seedAll } from './seeding.ts';

const DEFAULT_COUNTS: Readonly<Record<string, number>> = { users: 5, projects: 5 };

/** Fills an empty store with sample data when the server starts. */
export default definePlugin({
  name: 'seed',
  kernel: '^1.0.0',
  requires: { store },
  provides: { seeded },
  collects: { seeders },
  config: z.strictObject({
    /** How many to make, by the seeder's name. */
    counts: z.record(z.string(), z.number().int().min(0).max(100_000)).default({ ...DEFAULT_COUNTS }),
    /** Also make what relates the parts: members, issues. */
    relationships: z.boolean().default(false),
  }),
  // The largest counts take minutes in a database.
  deadlines: { start: 600_000 },
  setup({ config, deps, log, defer }) {
    return {
      provides: { seeded: {} },
      async start(collected, start) {
        const ordered = inOrder(collected.seeders.map(({ value }) => value));
        const names = ordered.map(({ name }) => name);
        // The standard counts are set whether or not their plugins are enabled.
        for (const name of Object.keys(config.counts))
          if (!names.includes(name) && !Object.hasOwn(DEFAULT_COUNTS, name))
            log.warn({ count: name, seeders: names }, 'a count is set for a seeder that no enabled plugin has');
        const ended = new AbortController();
        const { done } = await onceReady(
          deps.store,
          (signal) =>
            deps.store.lease('seed', (held) => seedAll(ordered, { ...config, log, signal: held }), { signal }),
          { what: 'the seeding', signal: ended.signal, start, log },
        );
        defer('the seeding', async () => {
          ended.abort();
          await done;
        });
      },
    };
  },
});
