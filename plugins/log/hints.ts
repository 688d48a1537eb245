import type { Transport } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';

const TOPIC = 'hints';

/** Tells the other instances that the log grew. One hint is on its way at a time: those that follow are one more. */
export class Hints {
  readonly #transport: Transport;
  readonly #storeId: string;
  readonly #log: Logger;
  #sending = false;
  #again = false;

  constructor(transport: Transport, storeId: string, log: Logger) {
    this.#transport = transport;
    this.#storeId = storeId;
    this.#log = log;
  }

  send(): void {
    this.#again = true;
    if (!this.#sending) void this.#flush();
  }

  subscribe(listener: () => void): Promise<() => Promise<void>> {
    return this.#transport.subscribe(TOPIC, ({ key }) => {
      if (key === this.#storeId) listener();
    });
  }

  async #flush(): Promise<void> {
    this.#sending = true;
    while (this.#again) {
      this.#again = false;
      try {
        await this.#transport.publish(TOPIC, { key: this.#storeId, value: '' });
      } catch (error) {
        this.#log.debug({ err: error }, 'a hint was not sent; other instances find the change when they poll');
      }
    }
    this.#sending = false;
  }
}
