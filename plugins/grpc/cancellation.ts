import type { EventEmitter } from 'node:events';
import type { Cancellation, CancellationListener } from '../../core/contracts/cancellation.ts';

/** A call of grpc-js, of any kind. */
type Call = EventEmitter & { readonly cancelled: boolean };

/** Whether the caller of a gRPC call has gone, or the server stops. Costs nothing until somebody listens. */
export class CallCancellation implements Cancellation {
  reason: unknown;
  readonly #call: Call;
  #listeners: readonly CancellationListener[] = [];
  #watching = false;
  #aborted = false;
  #finished = false;

  constructor(call: Call) {
    this.#call = call;
  }

  get aborted(): boolean {
    return this.#aborted || (this.#call.cancelled && !this.#finished);
  }

  addEventListener(_type: 'abort', listener: CancellationListener): void {
    this.#listeners = [...this.#listeners, listener];
    if (this.#watching) return;
    this.#watching = true;
    this.#call.once('cancelled', () => this.abort());
  }

  removeEventListener(_type: 'abort', listener: CancellationListener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
  }

  /** The call has its answer. grpc-js also emits 'cancelled' after that. */
  finish(): void {
    this.#finished = true;
  }

  abort(reason?: unknown): void {
    if (this.#aborted || this.#finished) return;
    this.#aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener.handleEvent();
  }
}
