import type { Logger } from '../../core/kernel/index.ts';
import { faultOf, SILENCE } from './faults.ts';

/**
 * One line when Kafka goes, and one when it is there: what fails meanwhile fails many times a second. Another one where a
 * later try tells more than silence did.
 */
export class Notice {
  readonly #log: Logger;
  readonly #lines: { readonly here: string; readonly away: string };
  #reason = '';
  #state: 'new' | 'here' | 'away' = 'new';

  constructor(log: Logger, lines: { readonly here: string; readonly away: string }) {
    this.#log = log;
    this.#lines = lines;
  }

  get isAway(): boolean {
    return this.#state === 'away';
  }

  /** Why it is away, when it is. */
  get reason(): string {
    return this.#reason;
  }

  here(fields: object = {}): void {
    if (this.#state === 'here') return;
    this.#state = 'here';
    this.#log.info(fields, this.#lines.here);
  }

  away(error: unknown): void {
    const reason = faultOf(error);
    if (this.#state === 'away' && (this.#reason !== SILENCE || reason === SILENCE)) return;
    this.#state = 'away';
    this.#reason = reason;
    this.#log.warn({ reason }, this.#lines.away);
  }
}
