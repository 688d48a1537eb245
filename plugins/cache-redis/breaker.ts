export interface BreakerOptions {
  /** The most milliseconds a caller waits. */
  readonly limitMs: number;
  /** Milliseconds between two tries to close it. */
  readonly retryMs: number;
  /** Makes the other side usable again, and calls `close` when it is. Throwing, or taking too long, is a failed try. */
  readonly recover: (close: () => void) => Promise<void>;
}

/**
 * Lets calls through while the other side answers in time. The first that fails opens it and fails all that are under
 * way, so that nobody waits after that; tries in the background, which no caller waits for, close it again.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #underWay = new Set<(reason: Error) => void>();
  #closed = false;
  #started = false;
  #trying = false;
  /** Counts what makes a try worthless that began before. */
  #epoch = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Calls may be made. */
  get closed(): boolean {
    return this.#closed;
  }

  /** It is open from the beginning, and nothing is tried before this. Settles after the first try. */
  async start(): Promise<void> {
    this.#started = true;
    await this.retry();
  }

  stop(): void {
    this.#started = false;
    this.trip();
  }

  /** The outcome of the operation, or an error at the limit. Only while it is closed. */
  call<T>(operation: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = this.#atLimit(() => {
      if (this.#underWay.has(failed)) this.trip();
    });
    const settled = () => {
      clearTimeout(timer);
      this.#underWay.delete(failed);
    };
    const failed = (reason: Error) => {
      settled();
      reject(reason);
    };
    this.#underWay.add(failed);
    operation().then(
      (value) => {
        settled();
        resolve(value);
      },
      (error) => {
        // One that fails after the breaker has failed it says nothing new.
        const isNews = this.#underWay.has(failed);
        failed(error);
        if (isNews) this.trip();
      },
    );
    return promise;
  }

  /** Opens it. */
  trip(): void {
    this.#closed = false;
    this.#epoch += 1;
    for (const failed of this.#underWay) failed(new Error('no answer in time'));
    this.#schedule();
  }

  /** Tries now to close it. */
  async retry(): Promise<void> {
    if (this.#closed || this.#trying || !this.#started) return;
    clearTimeout(this.#timer);
    this.#trying = true;
    const epoch = this.#epoch;
    let late = false;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.#atLimit(() => {
      late = true;
      reject(new Error('no answer in time'));
    });
    const close = () => {
      if (!late && epoch === this.#epoch) this.#closed = true;
    };
    await Promise.race([this.#options.recover(close), promise]).catch(() => {});
    clearTimeout(timer);
    this.#trying = false;
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#trying || !this.#started) return;
    this.#timer = setTimeout(() => void this.retry(), this.#options.retryMs).unref();
  }

  /** An answer that has come while this process itself was busy is read before it is too late. */
  #atLimit(late: () => void): NodeJS.Timeout {
    return setTimeout(() => setImmediate(late), this.#options.limitMs);
  }
}
