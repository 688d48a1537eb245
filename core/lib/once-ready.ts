import { isStoreError, type Store, type StoreError } from '../contracts/store.ts';
import type { Logger } from '../kernel/plugin.ts';
import { pause } from './pause.ts';

const RETRY_MS = 500;

export interface OnceReadyOptions {
  /** In words, for the log: 'the seeding'. */
  readonly what: string;
  /** Ends the wait and the work: the plugin's own, not that of its start. */
  readonly signal: AbortSignal;
  /** That of the start; holds for what is done within it. */
  readonly start?: AbortSignal;
  readonly log: Logger;
}

/**
 * Does in a plugin's start what needs the store. Where the store serves, now: the start waits for it, and fails with
 * it. Where the store is not there yet, or goes away meanwhile, later: the start goes on, and the work begins, or begins
 * again, when the store is ready; an error is then logged. `done` settles, and never rejects, when nothing is under way.
 */
export async function onceReady(
  store: Store,
  work: (signal: AbortSignal) => Promise<void>,
  { what, signal, start, log }: OnceReadyOptions,
): Promise<{ readonly done: Promise<void> }> {
  let told: string | undefined;
  // A file that is damaged, or a disk that is full, stays so for long: one line for each reason.
  const wentAway = (error: StoreError) => {
    if (error.message !== told) log.warn({ err: error }, `${what} waits for the store, which went away`);
    told = error.message;
  };
  const within = start ? AbortSignal.any([start, signal]) : signal;
  if (isReady(store)) {
    try {
      await work(within);
      return { done: Promise.resolve() };
    } catch (error) {
      if (within.aborted || !isStoreError(error, 'unavailable')) throw error;
      wentAway(error);
    }
  } else log.info({}, `${what} waits for the store`);
  return { done: workLater(store, work, { what, signal, log }, wentAway) };
}

async function workLater(
  store: Store,
  work: (signal: AbortSignal) => Promise<void>,
  { what, signal, log }: OnceReadyOptions,
  wentAway: (error: StoreError) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await store.ready(signal);
      await work(signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isStoreError(error, 'unavailable')) {
        log.error({ err: error }, `${what} failed`);
        return;
      }
      wentAway(error);
      await pause(RETRY_MS, signal);
    }
  }
}

/** Its id is known from when it is ready. */
function isReady(store: Store): boolean {
  try {
    return store.id !== '';
  } catch (error) {
    if (isStoreError(error, 'unavailable')) return false;
    throw error;
  }
}
