import type { ServerResponse } from 'node:http';
import type { Cancellation, CancellationListener } from '../../core/contracts/cancellation.ts';

/** The end of a call from outside. A controller with its signal would cost more than the routing of a request. */
export class Ending implements Cancellation {
  aborted = false;
  /** Undefined: the caller just went. */
  reason: unknown;
  #listeners: CancellationListener[] = [];

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

  /** Only the first end counts. */
  abort(reason?: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of [...this.#listeners]) listener.handleEvent();
  }
}

/** Whether the caller of a request has gone before it had its answer. */
export class Departure extends Ending {
  constructor(response: ServerResponse) {
    super();
    response.on('close', () => {
      if (!response.writableFinished) this.abort();
    });
  }
}
