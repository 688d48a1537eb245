/**
 * Waits at the end of a line, in which whoever gives up the place calls the first. Rejects with what `calledOff` makes of
 * the signal when it is aborted first.
 */
export function turnIn(
  line: Set<() => void>,
  signal: AbortSignal,
  calledOff: (signal: AbortSignal) => unknown,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      line.delete(turn);
      signal.removeEventListener('abort', abort);
    };
    const turn = () => {
      leave();
      resolve();
    };
    const abort = () => {
      leave();
      reject(calledOff(signal));
    };
    line.add(turn);
    signal.addEventListener('abort', abort);
  });
}
