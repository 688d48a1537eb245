import type { Cancellation } from '../contracts/cancellation.ts';
import { StoreError, type TransactionOptions } from '../contracts/store.ts';
import { type Watched, watchLater } from './watch-later.ts';

const DEFAULT_TIMEOUT_MS = 10_000;
/** A timer of more milliseconds fires at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

const calledOff = (signal: Cancellation) =>
  new StoreError('unavailable', 'the transaction was called off', { cause: signal.reason });

export function refuseAborted({ signal }: TransactionOptions): void {
  if (signal?.aborted) throw calledOff(signal);
}

/**
 * Calls back once, when the time is up or the signal is aborted, unless it was cleared before. It holds nothing after that:
 * what was called off may never end.
 */
export class Deadline implements Watched {
  readonly #signal: Cancellation | undefined;
  readonly #timeoutMs: number;
  readonly #over: (why: StoreError) => void;
  #timer: NodeJS.Timeout | undefined;
  #state: 'new' | 'watched' | 'cleared' = 'new';

  constructor({ signal, timeoutMs = DEFAULT_TIMEOUT_MS }: TransactionOptions, over: (why: StoreError) => void) {
    this.#signal = signal;
    this.#timeoutMs = timeoutMs;
    this.#over = over;
    watchLater(this);
  }

  /** Why the transaction may not end well, where it is not watched yet and so nobody was told. */
  get missed(): StoreError | undefined {
    return this.#state === 'new' && this.#signal?.aborted ? calledOff(this.#signal) : undefined;
  }

  watch(): void {
    if (this.#state === 'cleared') return;
    this.#state = 'watched';
    if (this.#signal?.aborted) {
      this.handleEvent();
      return;
    }
    this.#signal?.addEventListener('abort', this);
    if (this.#timeoutMs <= MAX_TIMEOUT_MS) this.#timer = setTimeout(() => this.#expire(), this.#timeoutMs);
  }

  /** The signal's abort. */
  handleEvent(): void {
    this.clear();
    this.#over(calledOff(this.#signal!));
  }

  clear(): void {
    if (this.#state === 'watched') {
      clearTimeout(this.#timer);
      this.#signal?.removeEventListener('abort', this);
    }
    this.#state = 'cleared';
  }

  #expire(): void {
    this.clear();
    this.#over(new StoreError('unavailable', `the transaction took longer than ${this.#timeoutMs} ms`));
  }
}
