import type { CallOrigin } from '../../core/contracts/api.ts';

/** Calls may take so many milliseconds in a row; then others, and what the network brought, have a turn. */
const LONGEST_STRETCH = 10;

/**
 * Shares the one thread among connections. Calls that come in while others are quick run at once. When those of one
 * turn of the event loop have taken long, the rest wait, and each further turn lets one of every connection begin: who
 * sends a thousand long calls at a time delays others by a call, and not by a thousand.
 */
export class Turns {
  /** By connection, in the order in which they are served; calls without a connection of their own share one line. */
  readonly #waiting = new Map<string, (() => void)[]>();
  /** When the first call of this turn began; undefined where none has. */
  #since: number | undefined;
  /** The end of this turn is on its way: one at a time, or several would let as many begin. */
  #isEnding = false;

  /** Undefined where the call may begin at once; else it begins when the promise is fulfilled. `now`: performance.now(). */
  next(origin: CallOrigin, now: number): Promise<void> | undefined {
    if (this.#since === undefined) {
      this.#since = now;
      this.#endTurn();
    }
    if (this.#waiting.size === 0 && now - this.#since < LONGEST_STRETCH) return undefined;
    const key = origin.connection?.() ?? '';
    const line = this.#waiting.get(key) ?? [];
    this.#waiting.set(key, line);
    return new Promise((resolve) => line.push(resolve));
  }

  #endTurn(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isEnding = false;
    this.#since = undefined;
    if (this.#waiting.size === 0) return;
    for (const [key, line] of this.#waiting) {
      line.shift()!();
      if (line.length === 0) this.#waiting.delete(key);
    }
    this.#endTurn();
  }
}
