import type { PluginEntry } from './entry.ts';
import { type Problem, problem, refuse } from './errors.ts';
import type { Loaded } from './load.ts';
import type { Plugin, PointOrder } from './plugin.ts';

export interface PlannedPlugin {
  readonly name: string;
  readonly plugin: Plugin;
  readonly entry: PluginEntry;
  /** Why it comes no earlier, a phrase for each reason; empty when it waits for nothing. */
  readonly reasons: readonly string[];
}

/** The order of setup and start; drain goes backwards. */
export interface Plan {
  readonly plugins: readonly PlannedPlugin[];
  /** Token id to plugin name. */
  readonly providers: ReadonlyMap<string, string>;
  /** Point id to plugin name. */
  readonly collectors: ReadonlyMap<string, string>;
}

/** One plugin waits for another: why, said of the waiting one. */
interface Edge {
  readonly on: string;
  readonly reason: string;
  readonly step: string;
}

/**
 * Orders the plugins so that each comes after what it needs; ties go by name, so the order of the list means nothing.
 * Pure. One error names every problem. `known` are plugins that are not enabled, to suggest.
 */
export function plan(loaded: readonly Loaded[], known: readonly Plugin[] = []): Plan {
  const all = [...loaded].sort((a, b) => (a.plugin.name < b.plugin.name ? -1 : 1));
  const providersOf = index(all, (plugin) => plugin.provides);
  const collectorsOf = index(all, (plugin) => plugin.collects);
  const problems: Problem[] = [
    ...missing(all, providersOf, known),
    ...[...providersOf]
      .filter(([, by]) => by.length > 1)
      .map(([token, by]) => problem('TWO_PROVIDERS', { token, ...namesAndOrigins(by) })),
    ...[...collectorsOf]
      .filter(([, by]) => by.length > 1)
      .map(([point, by]) => problem('TWO_COLLECTORS', { point, ...namesAndOrigins(by) })),
    ...mismatches(all),
  ];
  const edges = edgesOf(all, providersOf, collectorsOf);
  const { order, cycles } = sort(all, edges);
  problems.push(...cycles);
  refuse(problems);
  return {
    plugins: order.map((one) => ({
      name: one.plugin.name,
      plugin: one.plugin,
      entry: one.entry,
      reasons: (edges.get(one.plugin.name) ?? []).map((edge) => edge.reason),
    })),
    providers: firstNames(providersOf),
    collectors: firstNames(collectorsOf),
  };
}

type Declared = Readonly<Record<string, { readonly id: string }>>;
type Index = ReadonlyMap<string, readonly Loaded[]>;

function index(all: readonly Loaded[], declared: (plugin: Plugin) => Declared): Index {
  const found = new Map<string, Loaded[]>();
  for (const one of all) for (const id of ids(declared(one.plugin))) found.set(id, [...(found.get(id) ?? []), one]);
  return found;
}

function ids(declared: Declared): string[] {
  return [...new Set(Object.values(declared).map((item) => item.id))].sort();
}

function firstNames(found: Index): ReadonlyMap<string, string> {
  return new Map([...found].map(([id, by]) => [id, by[0]!.plugin.name]));
}

function namesAndOrigins(by: readonly Loaded[]) {
  return { plugins: by.map((one) => one.plugin.name), wheres: by.map((one) => one.entry.origin) };
}

function missing(all: readonly Loaded[], providersOf: Index, known: readonly Plugin[]): Problem[] {
  return all.flatMap(({ plugin }) =>
    ids(plugin.requires)
      .filter((token) => !providersOf.has(token))
      .map((token) => {
        const candidates = known.filter((other) => ids(other.provides).includes(token)).map((other) => other.name);
        return problem('MISSING_PROVIDER', { plugin: plugin.name, token, candidates: candidates.sort() });
      }),
  );
}

function mismatches(all: readonly Loaded[]): Problem[] {
  const seen = new Map<string, { order: PointOrder; by: Loaded }>();
  const found = new Map<string, Problem>();
  for (const one of all)
    for (const point of [...Object.values(one.plugin.contributes), ...Object.values(one.plugin.collects)]) {
      const first = seen.get(point.id);
      if (!first) seen.set(point.id, { order: point.order, by: one });
      else if (first.order !== point.order && !found.has(point.id))
        found.set(point.id, problem('POINT_MISMATCH', { point: point.id, ...namesAndOrigins([first.by, one]) }));
    }
  return [...found.values()];
}

/** What each plugin waits for: the providers it uses, and the contributors of the points it collects last. */
function edgesOf(all: readonly Loaded[], providersOf: Index, collectorsOf: Index): Map<string, Edge[]> {
  const edges = new Map<string, Edge[]>(all.map((one) => [one.plugin.name, []]));
  for (const { plugin } of all) {
    const own = edges.get(plugin.name)!;
    for (const [kind, verb] of [
      ['requires', 'requires'],
      ['optional', 'uses'],
    ] as const)
      for (const token of ids(plugin[kind]))
        for (const { plugin: provider } of providersOf.get(token) ?? [])
          own.push({
            on: provider.name,
            reason: `${verb} '${token}' of '${provider.name}'`,
            step: `'${plugin.name}' ${verb} '${token}' of '${provider.name}'`,
          });
    for (const point of Object.values(plugin.contributes)) {
      if (point.order !== 'collector-last') continue;
      for (const { plugin: collector } of collectorsOf.get(point.id) ?? []) {
        if (collector.name === plugin.name) continue;
        edges.get(collector.name)!.push({
          on: plugin.name,
          reason: `collects '${point.id}' from '${plugin.name}'`,
          step: `'${collector.name}' collects '${point.id}' from '${plugin.name}'`,
        });
      }
    }
  }
  return edges;
}

/** Kahn's algorithm. Where it stops, a cycle is reported and taken as done, so that every cycle is found. */
function sort(all: readonly Loaded[], edges: ReadonlyMap<string, readonly Edge[]>) {
  const order: Loaded[] = [];
  const cycles: Problem[] = [];
  const done = new Set<string>();
  const waiting = [...all];
  while (waiting.length > 0) {
    const next = waiting.findIndex((one) => edges.get(one.plugin.name)!.every((edge) => done.has(edge.on)));
    if (next >= 0) {
      const one = waiting.splice(next, 1)[0]!;
      done.add(one.plugin.name);
      order.push(one);
      continue;
    }
    const cycle = findCycle(waiting[0]!.plugin.name, edges, done);
    const plugins = cycle.map((edge) => edge.on);
    cycles.push(problem('CYCLE', { plugins: plugins.toSorted(), steps: cycle.map((edge) => edge.step) }));
    for (const name of plugins) done.add(name);
    for (const name of plugins)
      waiting.splice(
        waiting.findIndex((one) => one.plugin.name === name),
        1,
      );
  }
  return { order, cycles };
}

/** Follows what is not done yet until a plugin comes round again; every waiting plugin waits for another. */
function findCycle(from: string, edges: ReadonlyMap<string, readonly Edge[]>, done: ReadonlySet<string>): Edge[] {
  const path: Edge[] = [];
  const visited = [from];
  for (;;) {
    const edge = edges.get(visited.at(-1)!)!.find((one) => !done.has(one.on))!;
    path.push(edge);
    const start = visited.indexOf(edge.on);
    if (start >= 0) return path.slice(start);
    visited.push(edge.on);
  }
}
