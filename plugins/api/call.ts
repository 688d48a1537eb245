import type { Actor, Call } from '../../core/contracts/api.ts';
import type { Cancellation, CancellationListener } from '../../core/contracts/cancellation.ts';
import { DomainError, isDomainError } from '../../core/contracts/errors.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { type Watched, watchLater } from '../../core/lib/watch-later.ts';

/** The longest delay a timer takes. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * One call under way, and its end: the origin's abort or the deadline, whichever comes first. Signal, log and
 * timer are made when they are first needed.
 */
export class RunningCall implements Call, Cancellation, Watched {
  readonly method: string;
  readonly actor: Actor;
  readonly requestId: string;
  readonly deadline: number;
  /** Stores the answer under the caller's key; undefined where the caller gave none. */
  keep: ((tx: WriteTransaction, answer: unknown) => Promise<void>) | undefined;
  #explanation: (() => Readonly<Record<string, string>>) | undefined;
  readonly #origin: Cancellation;
  readonly #baseLog: Logger;
  #log: Logger | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #state: 'new' | 'begun' | 'watched' | 'released' = 'new';
  #end: DomainError | undefined;
  #reject: ((end: DomainError) => void) | undefined;
  #listeners: readonly CancellationListener[] = [];

  constructor(method: string, actor: Actor, requestId: string, deadline: number, origin: Cancellation, log: Logger) {
    this.method = method;
    this.actor = actor;
    this.requestId = requestId;
    this.deadline = deadline;
    this.#origin = origin;
    this.#baseLog = log;
  }

  get log(): Logger {
    this.#log ??= this.#baseLog.child({ requestId: this.requestId, method: this.method });
    return this.#log;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      this.watch();
      if (this.#end) this.#controller.abort(this.#end);
    }
    return this.#controller.signal;
  }

  get cancellation(): Cancellation {
    return this;
  }

  get aborted(): boolean {
    return this.#end !== undefined;
  }

  get reason(): DomainError | undefined {
    return this.#end;
  }

  addEventListener(_type: 'abort', listener: CancellationListener): void {
    this.#listeners = [...this.#listeners, listener];
    this.#begin();
  }

  removeEventListener(_type: 'abort', listener: CancellationListener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  async remember(tx: WriteTransaction, answer: () => unknown): Promise<void> {
    await this.keep?.(tx, answer());
  }

  explainErrors(metadata: () => Readonly<Record<string, string>>): void {
    this.#explanation = metadata;
  }

  /** What goes into the metadata of the call's error besides its own. */
  get explanation(): Readonly<Record<string, string>> | undefined {
    return this.#explanation?.();
  }

  fail(error: DomainError): void {
    this.over(error);
  }

  /** Throws when the call is over: cancelled, or past its deadline. */
  throwIfOver(): void {
    if (this.#end === undefined && this.#origin.aborted) this.handleEvent();
    if (this.#end === undefined && this.deadline <= Date.now()) this.over(deadlineExceeded());
    if (this.#end) throw this.#end;
  }

  /** Settles as the work does, or rejects at the call's end, whatever the work does later. One race at a time. */
  race<T>(work: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#reject = reject;
      if (this.#end) reject(this.#end);
      else this.#begin();
      work.then(resolve, reject);
    });
  }

  /** Ends the call for whoever waits for it and for those who hold its signal. Only the first end counts. */
  over(end: DomainError): void {
    if (this.#end) return;
    this.#end = end;
    this.release();
    this.#reject?.(end);
    this.#controller?.abort(end);
    for (const listener of this.#listeners) listener.handleEvent();
  }

  /** Lets go of timer and listener; the signal stays as it is. */
  release(): void {
    if (this.#state === 'watched') {
      clearTimeout(this.#timer);
      this.#origin.removeEventListener('abort', this);
    }
    this.#state = 'released';
  }

  /** The origin's abort. */
  handleEvent(): void {
    const { reason } = this.#origin;
    if (isDomainError(reason)) this.over(reason);
    // A server may notice the deadline first, and cancel; timers are exact to a millisecond.
    else this.over(this.deadline - Date.now() <= 1 ? deadlineExceeded() : cancelled());
  }

  #begin(): void {
    if (this.#state !== 'new') return;
    this.#state = 'begun';
    watchLater(this);
  }

  /** From now on the call ends by itself. */
  watch(): void {
    if (this.#state === 'watched' || this.#state === 'released') return;
    this.#state = 'watched';
    if (this.#origin.aborted) {
      this.handleEvent();
      return;
    }
    this.#origin.addEventListener('abort', this);
    const left = this.deadline - Date.now();
    if (left <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.over(deadlineExceeded()), left);
  }
}

export function cancelled(): DomainError {
  return new DomainError('CANCELLED', 'CANCELLED', 'the caller cancelled the call');
}

function deadlineExceeded(): DomainError {
  return new DomainError('DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 'the call did not finish before its deadline');
}
