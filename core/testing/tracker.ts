import { builtins } from '../../config/builtins.ts';
import { trackerSettings } from '../cli/configuration.ts';
import { apiServices, type ServiceContribution } from '../contracts/api.ts';
import { type HealthCheck, healthChecks } from '../contracts/health.ts';
import { type AnyTable, tables } from '../contracts/tables.ts';
import { boot, isPlugin, type Logger, type Plugin, type PluginEntry, type Running } from '../kernel/index.ts';

/** What one plugin contributed to the points that every tracker has. */
export interface Contributed {
  readonly tables: readonly AnyTable[];
  readonly services: readonly ServiceContribution[];
  readonly checks: readonly HealthCheck[];
}

export interface TrackerUnderTest {
  readonly running: Running;
  /** By a plugin's name. */
  contributed(plugin: string): Contributed;
}

/**
 * Starts the tracker in this process, with memdb, nothing seeded and ports of its own, and these plugins. A plugin stands in
 * for those of the tracker that have its name, provide what it provides or collect what it collects.
 */
export async function startWith(entries: readonly PluginEntry[], log: Logger): Promise<TrackerUnderTest> {
  const contributions: { readonly plugin: string; readonly point: string; readonly value: unknown }[] = [];
  const recorded = (plugin: Plugin) =>
    recording(plugin, (point, value) => contributions.push({ plugin: plugin.name, point, value }));
  const own = entries.map(({ use, ...rest }) => ({ ...rest, use: typeof use === 'string' ? use : recorded(use) }));
  const given = entries.map(({ use }) => use).filter((use) => typeof use !== 'string');

  const settings = await trackerSettings({ env: VARIABLES, cwd: process.cwd() });
  const others: PluginEntry[] = [];
  for (const entry of settings.entries) {
    const plugin: unknown = typeof entry.use === 'string' ? (await builtins[entry.use]?.())?.default : entry.use;
    if (isPlugin(plugin) && !given.some((each) => takesPlaceOf(each, plugin)))
      others.push({ ...entry, use: recorded(plugin) });
  }
  const running = await boot({ entries: [...others, ...own], builtins, log });
  return {
    running,
    contributed(name) {
      const to = (point: { readonly id: string }) =>
        contributions.filter((each) => each.plugin === name && each.point === point.id).map(({ value }) => value);
      return {
        tables: to(tables) as AnyTable[],
        services: to(apiServices) as ServiceContribution[],
        checks: to(healthChecks) as HealthCheck[],
      };
    },
  };
}

const VARIABLES = {
  GRPC_PORT: '0',
  GRPC_HOST: '127.0.0.1',
  HTTP_PORT: '0',
  HTTP_HOST: '127.0.0.1',
  ENVIRONMENT: 'production',
  LOG_CALLS: 'all',
};

function takesPlaceOf(plugin: Plugin, other: Plugin): boolean {
  const shares = (part: 'provides' | 'collects') => {
    const own = new Set(Object.values(plugin[part]).map(({ id }) => id));
    return Object.values(other[part]).some(({ id }) => own.has(id));
  };
  return plugin.name === other.name || shares('provides') || shares('collects');
}

/** The plugin, with a note of everything that it contributes. */
function recording(plugin: Plugin, note: (point: string, value: unknown) => void): Plugin {
  // biome-ignore lint/suspicious/noExplicitAny: the kernel's context for a plugin of any types
  const setup = (context: any) =>
    plugin.setup({
      ...context,
      contribute: new Proxy(context.contribute, {
        get(target, key) {
          const contribute = Reflect.get(target, key);
          const point = typeof key === 'string' ? plugin.contributes[key] : undefined;
          if (!point) return contribute;
          return (...items: unknown[]) => {
            for (const item of items) note(point.id, item);
            return contribute(...items);
          };
        },
      }),
    });
  return Object.freeze({ ...plugin, setup });
}
