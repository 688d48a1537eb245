import { existsSync, readFileSync } from 'node:fs';
import { createRequire, findPackageJSON } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withDeadline } from './deadline.ts';
import { type Builtins, isPath, nameOf, type PluginEntry } from './entry.ts';
import { nearest, type Problem, problem, reasonOf, refuse } from './errors.ts';
import { isPlugin, KERNEL_VERSION, type Plugin } from './plugin.ts';

export interface Loaded {
  readonly plugin: Plugin;
  readonly entry: PluginEntry;
}

const LOAD_DEADLINE_MS = 30_000;

/**
 * Imports every entry, all at once, and checks that it is a plugin for this kernel. One error names every bad entry.
 */
export async function load(
  entries: readonly PluginEntry[],
  builtins: Builtins,
  deadlineMs = LOAD_DEADLINE_MS,
): Promise<readonly Loaded[]> {
  const results = await Promise.all(entries.map((entry) => loadOne(entry, builtins, deadlineMs)));
  const problems = results.filter((result) => 'code' in result);
  const loaded = results.filter((result) => 'plugin' in result && 'entry' in result) as Loaded[];
  problems.push(...duplicates(loaded));
  refuse(problems);
  return loaded;
}

async function loadOne(entry: PluginEntry, builtins: Builtins, deadlineMs: number): Promise<Loaded | Problem> {
  const use = nameOf(entry.use);
  const where = entry.origin;
  let exported: unknown = entry.use;
  if (typeof entry.use === 'string') {
    const source = locate(entry.use, entry.base ?? process.cwd(), builtins);
    if (source === undefined) return problem('NOT_FOUND', { use, where, near: nearest(use, Object.keys(builtins)) });
    const imported = await withDeadline(source, { ms: deadlineMs, graceMs: 0 });
    if (imported.kind === 'timed-out')
      return problem('TIMED_OUT', { plugin: use, where, doing: 'its import', ms: deadlineMs });
    if (imported.kind === 'failed') return problem('IMPORT_FAILED', { use, where, reason: reasonOf(imported.error) });
    exported = imported.value.default;
  }
  if (!isPlugin(exported)) return problem('NOT_A_PLUGIN', { use, where });
  return check(exported, entry) ?? { plugin: exported, entry };
}

function check(plugin: Plugin, entry: PluginEntry): Problem | undefined {
  const where = entry.origin;
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(plugin.name)) return problem('BAD_NAME', { use: nameOf(entry.use), where });
  // The brand carries the version of the contract that the plugin's own copy of definePlugin implements.
  const brand = String((plugin as unknown as Record<symbol, unknown>)[Symbol.for('issue-tracker.plugin')]);
  if (!inRange(KERNEL_VERSION, `^${brand.split('.', 1)[0]}.0.0`))
    return problem('KERNEL_RANGE', { plugin: plugin.name, where, range: brand, version: KERNEL_VERSION });
  if (!inRange(KERNEL_VERSION, plugin.kernel))
    return problem('KERNEL_RANGE', { plugin: plugin.name, where, range: plugin.kernel, version: KERNEL_VERSION });
  return undefined;
}

function duplicates(loaded: readonly Loaded[]): Problem[] {
  const byName = Map.groupBy(loaded, (one) => one.plugin.name);
  return [...byName]
    .filter(([, same]) => same.length > 1)
    .map(([name, same]) =>
      problem('DUPLICATE_PLUGIN', {
        plugin: name,
        wheres: same.map(({ entry }) =>
          typeof entry.use === 'string' ? `'${entry.use}', ${entry.origin}` : entry.origin,
        ),
      }),
    );
}

/** '^1.2.3', '~1.2.3' or '1.2.3', with the meaning they have in package.json; anything else fits nothing. */
export function inRange(version: string, range: string): boolean {
  const wanted = /^([\^~]?)(\d+)\.(\d+)\.(\d+)$/.exec(range);
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (!wanted) return false;
  const [a, b, c] = [Number(wanted[2]), Number(wanted[3]), Number(wanted[4])];
  const atLeast = major !== a ? major > a : minor !== b ? minor > b : patch >= c;
  if (wanted[1] === '~') return atLeast && major === a && minor === b;
  if (wanted[1] === '^') return atLeast && major === a && (a > 0 || (minor === b && (b > 0 || patch === c)));
  return major === a && minor === b && patch === c;
}

type Source = () => Promise<{ readonly default?: unknown }>;

/** How to import what `use` names; undefined when there is no such thing. */
function locate(use: string, base: string, builtins: Builtins): Source | undefined {
  if (Object.hasOwn(builtins, use)) return builtins[use];
  const file = isPath(use) ? resolve(base, use) : packageEntry(use, base);
  if (file === undefined || !existsSync(file)) return undefined;
  return () => import(pathToFileURL(file).href);
}

function packageEntry(name: string, base: string): string | undefined {
  const from = join(base, 'package.json');
  try {
    return createRequire(from).resolve(name);
  } catch (error) {
    // require.resolve does not look at the condition 'import', which may be the only one the package has.
    if ((error as { code?: string }).code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined;
  }
  const manifest = findPackageJSON(name, from);
  if (manifest === undefined) return undefined;
  const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { exports?: unknown };
  const target = importTarget((exports as Record<string, unknown>)['.'] ?? exports);
  return target === undefined ? undefined : join(dirname(manifest), target);
}

function importTarget(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (typeof target !== 'object' || target === null) return undefined;
  const conditions = target as Record<string, unknown>;
  return importTarget(conditions['node'] ?? conditions['import'] ?? conditions['default']);
}
