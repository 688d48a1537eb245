import { DomainError } from '../../core/contracts/errors.ts';
import type { Redis } from '../../core/contracts/redis.ts';
import type { Transport, TransportMessage } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';

/** A channel of Pub/Sub for each topic. Redis brings what one instance publishes in its order, whatever the key. */
export class RedisTransport implements Transport {
  readonly kind = 'redis';
  readonly #redis: Redis;
  readonly #log: Logger;
  readonly #ends = new Set<() => Promise<void>>();
  #closed = false;

  constructor(redis: Redis, log: Logger) {
    this.#redis = redis;
    this.#log = log;
  }

  async publish(topic: string, { key, value }: TransportMessage): Promise<void> {
    this.#assertOpen();
    await this.#redis.publish(channelOf(topic), JSON.stringify([key, value]));
  }

  async subscribe(topic: string, listener: (message: TransportMessage) => void): Promise<() => Promise<void>> {
    this.#assertOpen();
    const endHearing = await this.#redis.subscribe(channelOf(topic), (text) => this.#deliver(topic, listener, text));
    const end = async () => {
      this.#ends.delete(end);
      await endHearing();
    };
    this.#ends.add(end);
    // It may have been closed meanwhile, and then did not know of this one.
    if (this.#closed) await end();
    this.#assertOpen();
    return end;
  }

  /** Ends every subscription; from then on publish and subscribe throw `unavailable`. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#ends].map((end) => end()));
  }

  #deliver(topic: string, listener: (message: TransportMessage) => void, text: string): void {
    const message = parse(text);
    if (!message) {
      this.#log.warn({ topic }, 'a message that no tracker sent came over Redis; it is left out');
      return;
    }
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

/** Channels are common to all databases of a Redis. */
function channelOf(topic: string): string {
  return `tracker:${topic}`;
}

/** Undefined for what RedisTransport did not write. */
function parse(text: string): TransportMessage | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts) || parts.length !== 2) return undefined;
  const [key, value] = parts;
  return typeof key === 'string' && typeof value === 'string' ? { key, value } : undefined;
}
