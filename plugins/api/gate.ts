import type { CallOrigin } from '../../core/contracts/api.ts';
import { DomainError } from '../../core/contracts/errors.ts';

const RETRY_AFTER_MS = 1000;
/** Of all places: what one connection may take of the second half. */
const SHARE = 1 / 8;

/**
 * Bounds how many handlers run at a time. A place is held until the handler has settled, not until its caller has
 * gone: callers that open and cancel without end cannot pile up handlers. The first half of the places is for whoever
 * comes; of the second half no connection gets more than its share, so that one cannot take all of them.
 */
export class Gate {
  readonly #what: string;
  readonly #limit: number;
  readonly #share: number;
  /** Places in the second half, by connection. */
  readonly #held = new Map<string, number>();
  #inside = 0;

  constructor(what: string, limit: number) {
    this.#what = what;
    this.#limit = limit;
    this.#share = Math.max(1, Math.floor(limit * SHARE));
  }

  /**
   * Throws RESOURCE_EXHAUSTED when every place is taken, or all that the caller's connection may have. Returns what
   * `leave` needs.
   */
  enter(origin: CallOrigin): string | undefined {
    if (this.#inside >= this.#limit)
      throw tooMany(`the server is running as many ${this.#what} as it takes (${this.#limit})`);
    const key = this.#inside < this.#limit / 2 ? undefined : origin.connection?.();
    if (key !== undefined) {
      const held = this.#held.get(key) ?? 0;
      if (held >= this.#share)
        throw tooMany(`the server is busy, and this connection has as many ${this.#what} under way as one may`);
      this.#held.set(key, held + 1);
    }
    this.#inside++;
    return key;
  }

  leave(key: string | undefined): void {
    this.#inside--;
    if (key === undefined) return;
    const held = this.#held.get(key)!;
    if (held > 1) this.#held.set(key, held - 1);
    else this.#held.delete(key);
  }

  /** Runs the work in a place of its own. */
  async run<T>(origin: CallOrigin, work: () => T): Promise<Awaited<T>> {
    const key = this.enter(origin);
    try {
      return await work();
    } finally {
      this.leave(key);
    }
  }
}

function tooMany(message: string): DomainError {
  return new DomainError('RESOURCE_EXHAUSTED', 'TOO_MANY_CALLS', message, { retryAfterMs: RETRY_AFTER_MS });
}
