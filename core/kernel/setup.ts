import { type Section, scrub } from './configure.ts';
import type { Container } from './container.ts';
import { KernelError, type Problem, problem, reasonOf } from './errors.ts';
import type { PlannedPlugin } from './plan.ts';
import type { Contribution, Logger } from './plugin.ts';
import type { Releases } from './shutdown.ts';

/** A plugin between its setup and its last release. */
export interface Live {
  readonly planned: PlannedPlugin;
  readonly log: Logger;
  /** What setup returned. */
  instance: LiveInstance;
  /** Problems that the plugin caused through its context, also where it caught the error. */
  readonly problems: Problem[];
  /** Setup returns and start returns: contributions end with the first, releases with the second. */
  closed: 'nothing' | 'contributions' | 'everything';
}

interface LiveInstance {
  provides?: Readonly<Record<string, unknown>>;
  start?: (collected: object, signal: AbortSignal) => void | Promise<void>;
  drain?: (signal: AbortSignal) => void | Promise<void>;
}

/** What was contributed, by point id. */
export type Contributions = Map<string, Contribution<unknown>[]>;

export interface Shared {
  readonly container: Container;
  readonly contributions: Contributions;
  readonly releases: Releases;
  readonly log: Logger;
}

/** A plugin that is about to be set up, and the call that does it. */
export function live(
  planned: PlannedPlugin,
  section: Section,
  shared: Shared,
): { plugin: Live; setup: (signal: AbortSignal) => Promise<void> } {
  const { plugin, name } = planned;
  const where = planned.entry.origin;
  const own: Live = {
    planned,
    log: shared.log.child({ plugin: name }),
    instance: {},
    problems: [],
    closed: 'nothing',
  };
  const fail = (one: Problem): never => {
    own.problems.push(one);
    throw new KernelError([one]);
  };
  const deps = declared(
    Object.fromEntries(
      Object.entries({ ...plugin.optional, ...plugin.requires }).map(([key, token]) => [
        key,
        shared.container.has(token.id) ? shared.container.get(token.id) : undefined,
      ]),
    ),
    (key) => fail(problem('UNDECLARED_DEPENDENCY', { plugin: name, where, name: key })),
  );
  const contribute = declared(
    Object.fromEntries(
      Object.entries(plugin.contributes).map(([key, point]) => [
        key,
        (...items: unknown[]) => {
          if (own.closed !== 'nothing') fail(problem('LATE_CONTRIBUTION', { plugin: name, where, name: key }));
          const list = shared.contributions.get(point.id) ?? [];
          list.push(...items.map((value) => Object.freeze({ plugin: name, value })));
          shared.contributions.set(point.id, list);
        },
      ]),
    ),
    (key) => fail(problem('UNDECLARED_POINT', { plugin: name, where, name: key })),
  );
  const defer = (what: string, release: () => void | Promise<void>) => {
    if (own.closed !== 'everything') return shared.releases.add({ plugin: name, where, what, release });
    // Whoever acquires too late must not leak what was acquired.
    (async () => release())().catch((error: unknown) => {
      own.log.error({ reason: scrub(reasonOf(error), section.secrets) }, `failed to release '${what}'`);
    });
    fail(problem('LATE_DEFER', { plugin: name, where, what }));
  };
  const setup = async (signal: AbortSignal) => {
    const result: unknown = await plugin.setup({
      config: section.config,
      deps,
      contribute,
      log: own.log,
      signal,
      defer,
    });
    if (typeof result === 'object' && result !== null) own.instance = result;
  };
  return { plugin: own, setup };
}

/** Makes the promised services known, if exactly the promised ones are there. */
export function provide({ planned, instance }: Live, container: Container): Problem[] {
  const { plugin, name } = planned;
  const where = planned.entry.origin;
  const returned = instance.provides ?? {};
  const missing = Object.entries(plugin.provides)
    .filter(([key]) => returned[key] === undefined || returned[key] === null)
    .map(([key, token]) => problem('MISSING_SERVICE', { plugin: name, where, name: key, token: token.id }));
  const extra = Object.keys(returned)
    .filter((key) => !Object.hasOwn(plugin.provides, key))
    .map((key) => problem('UNDECLARED_SERVICE', { plugin: name, where, name: key }));
  if (missing.length + extra.length === 0)
    for (const [key, token] of Object.entries(plugin.provides)) container.provide(token.id, returned[key]);
  return [...missing, ...extra];
}

/** What the plugin's points hold, in the order of the plan. */
export function collect({ planned }: Live, contributions: Contributions): object {
  return Object.fromEntries(
    Object.entries(planned.plugin.collects).map(([key, point]) => [
      key,
      Object.freeze([...(contributions.get(point.id) ?? [])]),
    ]),
  );
}

/** An object that refuses the keys it lacks, so that JavaScript plugins get what TypeScript plugins get. */
function declared<T extends object>(known: T, refuse: (key: string) => never): T {
  return new Proxy(known, {
    get: (target, key) => {
      // 'then' and 'toJSON' are asked for by await and by loggers.
      if (typeof key === 'symbol' || Object.hasOwn(target, key) || key === 'then' || key === 'toJSON')
        return Reflect.get(target, key);
      return refuse(key);
    },
  });
}
