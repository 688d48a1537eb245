import { token } from '../kernel/plugin.ts';

/**
 * Carries messages between instances. The tracker sends hints over it ("the log grew"); a lost hint costs latency
 * and nothing else, because every instance also reads the log itself.
 *
 * Delivery is at least once while sender and subscriber are connected, and in order for messages of one key. A
 * subscriber gets what is published after its subscription was confirmed; the sender's own instance gets it too.
 */
export interface Transport {
  /** 'stream', 'redis' or 'kafka': as COMMUNICATION_METHOD names it. */
  readonly kind: string;
  /** Settles when the message was handed over. Throws `unavailable` when it cannot be. */
  publish(topic: string, message: TransportMessage): Promise<void>;
  /** Settles when messages arrive from now on. A listener must not throw. Returns the end. */
  subscribe(topic: string, listener: (message: TransportMessage) => void): Promise<() => Promise<void>>;
}

export interface TransportMessage {
  /** Messages of one key stay in order. */
  readonly key: string;
  readonly value: string;
}

export const transport = token<Transport>('transport');
