import { DomainError } from '../../core/contracts/errors.ts';

const RETRY_AFTER_MS = 1000;

/**
 * Bounds how many handlers run at a time. A place is held until the handler has settled, not until its caller has
 * gone: callers that open and cancel without end cannot pile up handlers.
 */
export class Gate {
  readonly #what: string;
  readonly #limit: number;
  #inside = 0;

  constructor(what: string, limit: number) {
    this.#what = what;
    this.#limit = limit;
  }

  /** Throws RESOURCE_EXHAUSTED when every place is taken. */
  enter(): void {
    if (this.#inside >= this.#limit)
      throw new DomainError(
        'RESOURCE_EXHAUSTED',
        'TOO_MANY_CALLS',
        `the server is running as many ${this.#what} as it takes (${this.#limit})`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
  }

  /** Runs the work in a place of its own. */
  async run<T>(work: () => T): Promise<Awaited<T>> {
    this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }
}
