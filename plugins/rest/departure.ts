import type { ServerResponse } from 'node:http';
import type { Cancellation, CancellationListener } from '../../core/contracts/cancellation.ts';

/**
 * Whether the caller has gone before it had its answer. A controller with its signal would cost more than the routing
 * of the request, and hardly any is ever aborted.
 */
export class Departure implements Cancellation {
  aborted = false;
  /** It just went. */
  readonly reason = undefined;
  #listeners: CancellationListener[] = [];

  constructor(response: ServerResponse) {
    response.on('close', () => {
      if (!response.writableFinished) this.#abort();
    });
  }

  addEventListener(_type: 'abort', listener: CancellationListener): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: CancellationListener): void {
    if (this.#listeners[0] === listener) this.#listeners.shift();
    else this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  /** The same for those who take nothing less than a signal. */
  toSignal(): AbortSignal {
    const controller = new AbortController();
    if (this.aborted) controller.abort();
    else this.addEventListener('abort', { handleEvent: () => controller.abort() });
    return controller.signal;
  }

  #abort(): void {
    this.aborted = true;
    for (const listener of [...this.#listeners]) listener.handleEvent();
  }
}
