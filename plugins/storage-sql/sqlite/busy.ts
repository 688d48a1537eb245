import { setTimeout as delay } from 'node:timers/promises';
import { isBusy } from './errors.ts';
import { calledOff } from './places.ts';

/** Milliseconds between tries: each is a random one below a bound that doubles from the first to the last. */
const FIRST_BOUND = 2;
const LAST_BOUND = 50;

/**
 * Tries again for as long as the file is locked by another process. SQLite's own wait would stop the event loop. Throws
 * 'unavailable' when the signal is aborted.
 */
export async function whileBusy<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let bound = FIRST_BOUND; ; bound = Math.min(bound * 2, LAST_BOUND)) {
    if (signal.aborted) throw calledOff(signal);
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    await delay(Math.random() * bound, undefined, { signal }).catch(() => undefined);
  }
}
