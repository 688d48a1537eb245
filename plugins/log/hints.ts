import { randomUUID } from 'node:crypto';
import type { Transport } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { pause } from '../../core/lib/pause.ts';

const TOPIC = 'hints';
const RETRY_MS = 1000;

/** 'pending': events wait for their place in the order. 'grown': some got it. */
export type Hint = 'pending' | 'grown';

/**
 * Tells the other instances what they would else find when they poll. One hint is on its way at a time: those that
 * follow are one more of each kind.
 */
export class Hints {
  readonly #transport: Transport;
  readonly #storeId: string;
  readonly #log: Logger;
  readonly #origin = randomUUID();
  readonly #waiting = new Set<Hint>();
  #sending = false;

  constructor(transport: Transport, storeId: string, log: Logger) {
    this.#transport = transport;
    this.#storeId = storeId;
    this.#log = log;
  }

  send(hint: Hint): void {
    this.#waiting.add(hint);
    if (!this.#sending) void this.#flush();
  }

  /** Hears the hints of other instances until the signal is aborted; tries again where the transport is away. */
  async hear(listener: (hint: Hint) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const end = await this.#transport.subscribe(TOPIC, ({ key, value }) => {
          const [hint, origin] = value.split(' ');
          if (key === this.#storeId && origin !== this.#origin) listener(hint === 'pending' ? hint : 'grown');
        });
        const ended = () => void end().catch(() => {});
        if (signal.aborted) ended();
        else signal.addEventListener('abort', ended, { once: true });
        return;
      } catch (error) {
        this.#log.debug({ err: error }, 'no hints are heard; what they would tell is found by polling');
        await pause(RETRY_MS, signal);
      }
    }
  }

  async #flush(): Promise<void> {
    this.#sending = true;
    for (const hint of this.#waiting) {
      this.#waiting.delete(hint);
      try {
        await this.#transport.publish(TOPIC, { key: this.#storeId, value: `${hint} ${this.#origin}` });
      } catch (error) {
        this.#log.debug({ err: error }, 'a hint was not sent; other instances find the change when they poll');
      }
    }
    this.#sending = false;
  }
}
