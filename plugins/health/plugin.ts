import { z } from 'zod';
import { clock } from '../../core/contracts/clock.ts';
import { health, healthChecks } from '../../core/contracts/health.ts';
import { httpRoutes } from '../../core/contracts/http.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { Monitor } from './monitor.ts';
import { healthPages } from './pages.ts';

export default definePlugin({
  name: 'health',
  kernel: '^1.0.0',
  optional: { clock },
  provides: { health },
  contributes: { httpRoutes },
  collects: { healthChecks },
  config: z.strictObject({
    appName: z.string().min(1).max(100).default('issue-tracker'),
    intervalMs: z.number().int().min(10).max(3_600_000).default(2_000),
    timeoutMs: z.number().int().min(10).max(60_000).default(1_000),
  }),
  setup({ config, deps, contribute, log, defer }) {
    const now = () => (deps.clock ? deps.clock.now() / 1000 : performance.now());
    const monitor = new Monitor(config, now, log);
    contribute.httpRoutes(...healthPages(monitor, config.appName));
    defer('the health checks', () => monitor.stop());
    return {
      provides: { health: monitor },
      start({ healthChecks }) {
        const owners = new Map<string, string>();
        for (const { plugin, value } of healthChecks) {
          const other = owners.get(value.component);
          if (other)
            throw new Error(`component '${value.component}' is checked by '${other}' and by '${plugin}': rename one`);
          owners.set(value.component, plugin);
        }
        return monitor.start(healthChecks.map(({ value }) => value));
      },
      drain() {
        monitor.draining();
        monitor.stop();
      },
    };
  },
});
