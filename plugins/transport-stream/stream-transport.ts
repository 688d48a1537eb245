import { DomainError } from '../../core/contracts/errors.ts';
import type { Transport, TransportMessage } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';

type Listener = (message: TransportMessage) => void;

interface Subscription {
  readonly listener: Listener;
  active: boolean;
}

/** Hands messages to the listeners of this process, in the order in which they were published, whatever their key. */
export class StreamTransport implements Transport {
  readonly kind = 'stream';
  readonly #log: Logger;
  readonly #topics = new Map<string, Set<Subscription>>();
  #closed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async publish(topic: string, message: TransportMessage): Promise<void> {
    this.#assertOpen();
    // Those who subscribe from here on get nothing of it. Delivered after the caller's turn: a listener that
    // publishes in turn would otherwise bring its message to the others before this one.
    const audience = [...(this.#topics.get(topic) ?? [])];
    queueMicrotask(() => {
      for (const subscription of audience) if (subscription.active) this.#deliver(topic, subscription, message);
    });
  }

  async subscribe(topic: string, listener: Listener): Promise<() => Promise<void>> {
    this.#assertOpen();
    const subscription = { listener, active: true };
    const subscriptions = this.#topics.get(topic) ?? new Set();
    subscriptions.add(subscription);
    this.#topics.set(topic, subscriptions);
    return async () => {
      subscription.active = false;
      subscriptions.delete(subscription);
      if (subscriptions.size === 0 && this.#topics.get(topic) === subscriptions) this.#topics.delete(topic);
    };
  }

  /** Ends every subscription; from then on publish and subscribe throw `unavailable`. */
  close(): void {
    this.#closed = true;
    for (const subscriptions of this.#topics.values())
      for (const subscription of subscriptions) subscription.active = false;
    this.#topics.clear();
  }

  #deliver(topic: string, { listener }: Subscription, message: TransportMessage): void {
    try {
      listener(message);
    } catch (error) {
      this.#log.error({ err: error, topic }, 'a listener threw; the others get the message all the same');
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new DomainError('UNAVAILABLE', 'TRANSPORT_UNAVAILABLE', 'the transport is closed');
  }
}
