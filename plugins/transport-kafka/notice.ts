import type { Logger } from '../../core/kernel/index.ts';
import { faultOf } from './faults.ts';

/** One line when Kafka goes, and one when it is there: what fails meanwhile fails many times a second. */
export class Notice {
  readonly #log: Logger;
  readonly #lines: { readonly here: string; readonly away: string };
  #state: 'new' | 'here' | 'away' = 'new';

  constructor(log: Logger, lines: { readonly here: string; readonly away: string }) {
    this.#log = log;
    this.#lines = lines;
  }

  get isAway(): boolean {
    return this.#state === 'away';
  }

  here(fields: object = {}): void {
    if (this.#state === 'here') return;
    this.#state = 'here';
    this.#log.info(fields, this.#lines.here);
  }

  away(error: unknown): void {
    if (this.#state === 'away') return;
    this.#state = 'away';
    this.#log.warn({ reason: faultOf(error) }, this.#lines.away);
  }
}
