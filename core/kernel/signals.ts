/** A signal by a process group reaches the process twice: from the terminal or supervisor, and through npm. */
const SAME_SIGNAL_MS = 200;

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
}

/**
 * Calls `first` at the first SIGTERM or SIGINT, and `second` at the next one, when whoever sends it will not wait.
 * What follows within 200 ms of the first is the same signal come twice.
 */
export function onStopSignals(
  source: SignalSource,
  first: (signal: string) => void,
  second: (signal: string) => void,
  now: () => number = () => performance.now(),
): void {
  let since: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    source.on(signal, () => {
      if (since === undefined) {
        since = now();
        first(signal);
      } else if (now() - since >= SAME_SIGNAL_MS) second(signal);
    });
}
