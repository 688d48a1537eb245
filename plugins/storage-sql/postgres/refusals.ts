import type { Logger } from '../../../core/kernel/index.ts';
import type { DatabaseError } from '../database.ts';

/** Milliseconds for which a reason is not said again. */
const QUIET_MS = 60_000;

/** Tells the operator what PostgreSQL refuses. Every call may meet it, and whoever follows the change log does several times a second. */
export class Refusals {
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #said = new Map<string, number>();

  /** `now` is in milliseconds. */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  say(error: DatabaseError): void {
    const now = this.#now();
    for (const [reason, at] of this.#said) if (now - at >= QUIET_MS) this.#said.delete(reason);
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    if (this.#said.has(reason)) return;
    this.#said.set(reason, now);
    this.#log.error({ err: error }, 'PostgreSQL does not let the tracker do its work');
  }
}
