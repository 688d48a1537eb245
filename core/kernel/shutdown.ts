import { type Section, scrub } from './configure.ts';
import { withDeadline } from './deadline.ts';
import { type Problem, problem, reasonOf } from './errors.ts';
import type { Logger } from './plugin.ts';
import type { Live } from './setup.ts';

export interface StopReport {
  readonly reason: string;
  /** What failed or did not finish; empty after a clean stop. */
  readonly problems: readonly Problem[];
  readonly ms: number;
}

/** Something that was acquired, and how it is let go. */
export interface Release {
  readonly plugin: string;
  readonly where: string;
  readonly what: string;
  readonly release: () => void | Promise<void>;
}

/** Last in, first out, across all plugins. */
export class Releases {
  readonly #stack: Release[] = [];

  add(release: Release): void {
    this.#stack.push(release);
  }

  get length(): number {
    return this.#stack.length;
  }

  next(): Release | undefined {
    return this.#stack.pop();
  }
}

export const STOP_BUDGET_MS = 10_000;
const DRAIN_MS = 8_000;
/** What remains for the releases when every drain takes all it may. */
const DRAIN_SHARE = 0.8;

export interface UnwindOptions {
  readonly reason: string;
  /** In the order they were started; those that never started are not here. */
  readonly started: readonly Live[];
  readonly releases: Releases;
  readonly sections: ReadonlyMap<string, Section>;
  readonly log: Logger;
  readonly budgetMs: number;
}

/**
 * Drains in reverse order, then releases last in, first out, all within the budget. What fails or hangs is named, and
 * the rest goes on.
 */
export async function unwind(options: UnwindOptions): Promise<StopReport> {
  const { reason, releases, log, budgetMs } = options;
  const began = performance.now();
  log.info({ reason }, 'stopping');
  const problems: Problem[] = [];
  const note = (one: Problem | undefined) => {
    if (!one) return;
    log.error({ code: one.code, plugin: one.plugin }, one.message);
    problems.push(one);
  };
  const remaining = (share: number) => began + budgetMs * share - performance.now();

  const draining = options.started.filter((plugin) => plugin.instance.drain).reverse();
  for (const [i, plugin] of draining.entries())
    note(await drain(plugin, options, fairShare(remaining(DRAIN_SHARE), draining.length - i)));

  for (let one = releases.next(); one; one = releases.next())
    note(await release(one, options, fairShare(remaining(1), releases.length + 1)));

  const ms = Math.round(performance.now() - began);
  log.info({ reason, ms, problems: problems.length }, 'stopped');
  return { reason, problems, ms };
}

/** All that remains but for a little that is kept for each of the others, so that one that hangs starves nobody. */
function fairShare(remainingMs: number, left: number): number {
  return Math.max(0, remainingMs - (left - 1) * Math.min(remainingMs / (2 * left), 250));
}

async function drain(live: Live, options: UnwindOptions, shareMs: number): Promise<Problem | undefined> {
  const { name, plugin, entry } = live.planned;
  const limit = Math.min(plugin.deadlines.drain ?? DRAIN_MS, shareMs);
  // The signal comes early enough for a plugin to force its end within the limit.
  const graceMs = Math.min(500, limit / 4);
  const outcome = await withDeadline((signal) => live.instance.drain?.(signal), { ms: limit - graceMs, graceMs });
  if (outcome.kind === 'timed-out')
    return problem('TIMED_OUT', { plugin: name, where: entry.origin, doing: 'its drain', ms: limit });
  if (outcome.kind === 'failed') {
    const reason = scrub(reasonOf(outcome.error), options.sections.get(name)?.secrets ?? []);
    return problem('DRAIN_FAILED', { plugin: name, where: entry.origin, reason });
  }
  return undefined;
}

async function release(one: Release, options: UnwindOptions, limit: number): Promise<Problem | undefined> {
  const { plugin, where, what } = one;
  const outcome = await withDeadline(() => one.release(), { ms: limit, graceMs: 0 });
  if (outcome.kind === 'timed-out')
    return problem('TIMED_OUT', { plugin, where, doing: `the release of '${what}'`, ms: limit });
  if (outcome.kind === 'failed') {
    const reason = scrub(reasonOf(outcome.error), options.sections.get(plugin)?.secrets ?? []);
    return problem('RELEASE_FAILED', { plugin, where, what, reason });
  }
  return undefined;
}
