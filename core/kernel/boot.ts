import { type Section, scrub } from './configure.ts';
import { Container } from './container.ts';
import { type Outcome, withDeadline } from './deadline.ts';
import type { Builtins, PluginEntry } from './entry.ts';
import { KernelError, type Problem, problem, reasonOf, refuse } from './errors.ts';
import type { Plan } from './plan.ts';
import type { Contribution, Logger, Point, Token } from './plugin.ts';
import { prepare } from './prepare.ts';
import { type Contributions, collect, type Live, live, provide } from './setup.ts';
import { Releases, STOP_BUDGET_MS, type StopReport, unwind } from './shutdown.ts';

export interface BootOptions {
  readonly entries: readonly PluginEntry[];
  readonly builtins?: Builtins;
  readonly log: Logger;
  /** Milliseconds for drain and release together; default 10,000. */
  readonly stopBudgetMs?: number;
  /** Milliseconds, where a plugin does not say; default 30,000 each. */
  readonly deadlines?: { readonly setup?: number; readonly start?: number };
  /** 'setup': nothing is started, so that what plugins contribute can be looked at. Default 'start'. */
  readonly until?: 'setup' | 'start';
  /** Calls the start off: what was begun is unwound and boot rejects with CALLED_OFF. */
  readonly signal?: AbortSignal;
}

/** A tracker that is up. */
export interface Running {
  readonly plan: Plan;
  /** Throws when no enabled plugin provides it. */
  service<T>(token: Token<T>): T;
  /** What the plugins add to a point, in the order of the plan. */
  contributed<T>(point: Point<T>): readonly Contribution<T>[];
  /** Drains and releases; never rejects. A second call gets the report of the first. */
  stop(reason?: string): Promise<StopReport>;
}

const PHASE_MS = 30_000;

/**
 * Loads, plans, configures, sets up and starts. Rejects with KernelError; whatever was opened until then is closed
 * again before it does.
 */
export async function boot(options: BootOptions): Promise<Running> {
  const { log, signal } = options;
  const { plan, sections } = await prepare(options.entries, options.builtins);
  const container = new Container();
  const contributions: Contributions = new Map();
  const releases = new Releases();
  const started: Live[] = [];
  const stop = (reason: string) =>
    unwind({ reason, started, releases, sections, log, budgetMs: options.stopBudgetMs ?? STOP_BUDGET_MS });

  try {
    refuse(calledOff(signal));
    const plugins: Live[] = [];
    for (const planned of plan.plugins) {
      const section = sections.get(planned.name)!;
      const { plugin, setup } = live(planned, section, { container, contributions, releases, log });
      const ms = planned.plugin.deadlines.setup ?? options.deadlines?.setup ?? PHASE_MS;
      await step(plugin, 'setup', ms, setup, section, signal);
      refuse(provide(plugin, container));
      plugins.push(plugin);
    }
    refuse(plugins.flatMap((plugin) => plugin.problems));
    for (const plugin of options.until === 'setup' ? [] : plugins) {
      const ms = plugin.planned.plugin.deadlines.start ?? options.deadlines?.start ?? PHASE_MS;
      const run = async (aborted: AbortSignal) => plugin.instance.start?.(collect(plugin, contributions), aborted);
      await step(plugin, 'start', ms, run, sections.get(plugin.planned.name)!, signal);
      started.push(plugin);
    }
    refuse(plugins.flatMap((plugin) => plugin.problems));
  } catch (error) {
    const { problems } = await stop('the start failed');
    if (!(error instanceof KernelError)) throw error;
    throw new KernelError([...error.problems, ...problems], { cause: error.cause });
  }

  let stopping: Promise<StopReport> | undefined;
  return {
    plan,
    service<T>(token: Token<T>): T {
      if (!container.has(token.id))
        refuse([problem('MISSING_PROVIDER', { plugin: 'code', token: token.id, candidates: [] })]);
      return container.get(token.id) as T;
    },
    contributed: <T>(point: Point<T>) => (contributions.get(point.id) ?? []) as readonly Contribution<T>[],
    stop: (reason = 'the program') => {
      stopping ??= stop(reason);
      return stopping;
    },
  };
}

/** Runs one phase of one plugin; throws KernelError when it did not do what it should. */
async function step(
  plugin: Live,
  phase: 'setup' | 'start',
  ms: number,
  run: (signal: AbortSignal) => Promise<void>,
  section: Section,
  signal: AbortSignal | undefined,
): Promise<void> {
  const began = performance.now();
  const outcome = await withDeadline(run, { ms, graceMs: Math.min(500, ms / 4), ...(signal && { signal }) });
  plugin.closed = phase === 'setup' && outcome.kind === 'done' ? 'contributions' : 'everything';
  refuse(calledOff(signal));
  refuse([...plugin.problems, ...failure(plugin, phase, ms, outcome, section)]);
  plugin.log.debug({ phase, ms: Math.round(performance.now() - began) }, `${phase} done`);
}

function failure(
  { planned, problems, log }: Live,
  phase: 'setup' | 'start',
  ms: number,
  outcome: Outcome<void>,
  section: Section,
): Problem[] {
  const named = { plugin: planned.name, where: planned.entry.origin };
  if (outcome.kind === 'done') return [];
  if (outcome.kind === 'timed-out') return [problem('TIMED_OUT', { ...named, doing: `its ${phase}`, ms })];
  const { error } = outcome;
  if (error instanceof KernelError && error.problems.every((one) => problems.includes(one))) return [];
  const reason = scrub(reasonOf(error), section.secrets);
  log.debug({ stack: scrub(String((error as Error | null)?.stack ?? error), section.secrets) }, `${phase} failed`);
  if (isPortTaken(error)) {
    const port = section.shown.find((one) => one.key === 'port');
    return [problem('PORT_TAKEN', { ...named, port: port?.value, where: port?.origin ?? named.where })];
  }
  return [problem(phase === 'setup' ? 'SETUP_FAILED' : 'START_FAILED', { ...named, reason })];
}

/** Servers wrap the system's error, or have its code in their text only. */
function isPortTaken(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' || /\bEADDRINUSE\b/.test(error.message) || isPortTaken(error.cause);
}

function calledOff(signal: AbortSignal | undefined): Problem[] {
  return signal?.aborted ? [problem('CALLED_OFF', { reason: String(signal.reason) })] : [];
}
