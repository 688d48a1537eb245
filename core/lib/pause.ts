import { setTimeout } from 'node:timers/promises';

/** Waits so many milliseconds, or not at all for 0 and less, or until the signal is aborted. Keeps no process alive. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await setTimeout(ms, undefined, { signal, ref: false }).catch(() => {});
}
