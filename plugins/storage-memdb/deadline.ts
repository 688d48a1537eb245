import { StoreError, type TransactionOptions } from '../../core/contracts/store.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
/** A timer of more milliseconds fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

const calledOff = (signal: AbortSignal) =>
  new StoreError('unavailable', 'the transaction was called off', { cause: signal.reason });

export function refuseAborted({ signal }: TransactionOptions): void {
  if (signal?.aborted) throw calledOff(signal);
}

/** Calls back once, when the time is up or the signal is aborted, unless it was cleared before. */
export class Deadline {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | undefined;

  constructor({ signal, timeoutMs = DEFAULT_TIMEOUT_MS }: TransactionOptions, over: (why: StoreError) => void) {
    if (signal) {
      this.#signal = signal;
      this.#onAbort = () => over(calledOff(signal));
      signal.addEventListener('abort', this.#onAbort);
    }
    if (timeoutMs <= MAX_TIMEOUT_MS) {
      const expire = () => over(new StoreError('unavailable', `the transaction took longer than ${timeoutMs} ms`));
      this.#timer = setTimeout(expire, timeoutMs);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
