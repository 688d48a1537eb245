import { clock } from '../../core/contracts/clock.ts';
import { healthChecks } from '../../core/contracts/health.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { MemdbStore } from './memdb-store.ts';

export default definePlugin({
  name: 'storage-memdb',
  kernel: '^1.0.0',
  optional: { clock },
  provides: { store },
  contributes: { healthChecks },
  collects: { tables },
  setup({ deps, contribute, defer, log }) {
    const memdb = new MemdbStore({
      ...(deps.clock ? { clock: deps.clock } : {}),
      listenerFailed: (error) => log.error({ err: error }, 'a listener of commits threw; the commit stands'),
    });
    defer('store', () => memdb.close());
    contribute.healthChecks({
      component: 'db',
      type: memdb.kind,
      required: true,
      check: async () => ({ status: memdb.state === 'open' ? 'up' : 'down' }),
    });
    return {
      provides: { store: memdb },
      start({ tables: collected }) {
        const owners = new Map<string, string>();
        for (const { plugin, value } of collected) {
          const other = owners.get(value.name);
          if (other)
            throw new Error(`table '${value.name}' is contributed by '${other}' and by '${plugin}': rename one`);
          owners.set(value.name, plugin);
        }
        memdb.open(collected.map(({ value }) => value));
      },
    };
  },
});
