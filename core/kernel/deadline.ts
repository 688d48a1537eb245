export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'timed-out' };

/**
 * Runs something for at most `ms` milliseconds. Then, or when `signal` is aborted, the signal it got is aborted and it
 * has `graceMs` more to obey: what finishes in that time is done, anything else has timed out and is left to itself.
 */
export async function withDeadline<T>(
  run: (signal: AbortSignal) => T | Promise<T>,
  options: { readonly ms: number; readonly graceMs: number; readonly signal?: AbortSignal },
): Promise<Outcome<T>> {
  const controller = new AbortController();
  const gaveUp = Promise.withResolvers<Outcome<T>>();
  let grace: NodeJS.Timeout | undefined;
  const abort = (reason: unknown) => {
    if (controller.signal.aborted) return;
    grace = setTimeout(() => gaveUp.resolve({ kind: 'timed-out' }), options.graceMs);
    controller.abort(reason);
  };
  const callOff = () => abort(options.signal?.reason);
  const timer = setTimeout(() => abort(new DOMException('The deadline has passed', 'TimeoutError')), options.ms);
  options.signal?.addEventListener('abort', callOff, { once: true });
  if (options.signal?.aborted) callOff();

  const ran = (async () => run(controller.signal))().then(
    (value): Outcome<T> => ({ kind: 'done', value }),
    // An error after the abort is how an obedient function ends: the cause is the deadline, not the error.
    (error: unknown): Outcome<T> => (controller.signal.aborted ? { kind: 'timed-out' } : { kind: 'failed', error }),
  );
  try {
    return await Promise.race([ran, gaveUp.promise]);
  } finally {
    clearTimeout(timer);
    clearTimeout(grace);
    options.signal?.removeEventListener('abort', callOff);
  }
}
