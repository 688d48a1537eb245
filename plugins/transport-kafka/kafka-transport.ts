import { randomUUID } from 'node:crypto';
import { DomainError } from '../../core/contracts/errors.ts';
import type { Transport, TransportMessage } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { pause } from '../../core/lib/pause.ts';
import { before, type Cluster, type Incoming, type Outgoing } from './cluster.ts';
import { Notice } from './notice.ts';
import { Sender } from './sender.ts';

type Listener = (message: TransportMessage) => void;

interface Subscription {
  readonly topic: string;
  readonly listener: Listener;
  active: boolean;
}

interface Waiting {
  readonly message: Outgoing;
  readonly settled: PromiseWithResolvers<void>;
}

/** So many messages may wait to be sent; so many go together. */
const MAX_WAITING = 10_000;
const BATCH = 500;
/** Milliseconds. */
const SEND_MS = 3_000;
const SUBSCRIBE_MS = 10_000;
const MARK_EACH_MS = 200;
const REBUILD_MS = 500;
/** A hint that is older is of no use to anyone. */
const RETENTION_MS = 3_600_000;

/**
 * All messages go through one partition of one topic, `<prefix>.hints`, which every instance reads from its end on, in a
 * group of its own: what is sent is heard in the same order by all. A subscription begins behind a mark that its instance
 * sends and hears itself.
 */
export class KafkaTransport implements Transport {
  readonly kind = 'kafka';
  readonly #cluster: Cluster;
  readonly #log: Logger;
  readonly #notice: Notice;
  readonly #topic: string;
  readonly #sender: Sender;
  readonly #closing = new AbortController();
  readonly #subscriptions = new Set<Subscription>();
  /** What is done when a mark is heard, by what it says. */
  readonly #marks = new Map<string, () => void>();
  readonly #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #hearing: Promise<void> | undefined;

  constructor(cluster: Cluster, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
    this.#topic = cluster.topic('hints');
    this.#sender = new Sender(cluster, this.#topics);
    this.#notice = new Notice(log, {
      here: 'messages of other instances are heard through Kafka',
      away: 'Kafka is away: what other instances say is not heard, and is found in the store a moment later',
    });
  }

  /** Why messages of other instances are not heard; undefined while they are, or nobody has asked for any. */
  get deafness(): string | undefined {
    return this.#notice.isAway ? this.#notice.reason : undefined;
  }

  async publish(topic: string, { key, value }: TransportMessage): Promise<void> {
    await this.#send({ topic: this.#topic, partition: 0, key, value, headers: { topic } });
  }

  async subscribe(topic: string, listener: Listener): Promise<() => Promise<void>> {
    this.#assertOpen();
    this.#hearing ??= this.#hear();
    const subscription = { topic, listener, active: true };
    await this.#behindMark(() => this.#subscriptions.add(subscription));
    return async () => {
      subscription.active = false;
      this.#subscriptions.delete(subscription);
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(unavailable('the transport is closed'));
    for (const { settled } of this.#waiting.splice(0)) settled.reject(this.#closing.signal.reason);
    this.#subscriptions.clear();
    await Promise.all([this.#hearing, this.#flushing]);
    await this.#sender.close();
  }

  get #topics() {
    return [{ name: this.#topic, partitions: 1, config: { 'retention.ms': String(RETENTION_MS) } }];
  }

  /** Kafka may lose who listens: then another one takes its place, under a new name. */
  async #hear(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await before(signal, this.#cluster.ensure(this.#topics));
        await this.#cluster.listen({
          topic: this.#topic,
          groupId: `${this.#topic}.${randomUUID()}`,
          heard: (message) => this.#heard(message),
          joined: () => this.#notice.here(),
          signal,
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#cluster.forgetTopics();
        this.#notice.away(error);
      }
      await pause(REBUILD_MS, signal);
    }
  }

  #heard({ key, value, header }: Incoming): void {
    const mark = header('mark');
    if (mark !== undefined) {
      this.#marks.get(mark)?.();
      return;
    }
    const topic = header('topic');
    for (const subscription of [...this.#subscriptions])
      if (subscription.topic === topic && subscription.active) this.#deliver(subscription, { key, value });
  }

  #deliver({ topic, listener }: Subscription, message: TransportMessage): void {
    try {
      listener(message);
    } catch (error) {
      this.#log.error({ err: error, topic }, 'a listener threw; the others get the message all the same');
    }
  }

  /** Does something right when a mark is heard. It is sent again and again: nobody knows from when on Kafka listens. */
  async #behindMark(act: () => void): Promise<void> {
    const mark = randomUUID();
    const heard = new AbortController();
    const late = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(SUBSCRIBE_MS)]);
    this.#marks.set(mark, () => {
      this.#marks.delete(mark);
      if (late.aborted) return;
      act();
      heard.abort();
    });
    const over = AbortSignal.any([late, heard.signal]);
    try {
      while (!over.aborted) {
        await before(
          over,
          this.#send({ topic: this.#topic, partition: 0, key: null, value: null, headers: { mark } }),
        ).catch(() => {});
        await pause(MARK_EACH_MS, over);
      }
    } finally {
      this.#marks.delete(mark);
    }
    this.#assertOpen();
    if (!heard.signal.aborted) throw unavailable('Kafka does not answer');
  }

  #send(message: Outgoing): Promise<void> {
    this.#assertOpen();
    if (this.#waiting.length >= MAX_WAITING) throw unavailable('too many messages wait for Kafka');
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ message, settled });
    this.#flushing ??= this.#flush();
    return settled.promise;
  }

  /** One batch at a time, or their order would be lost. */
  async #flush(): Promise<void> {
    // What is published in the same turn goes together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      try {
        const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(SEND_MS)]);
        await this.#sender.send(
          batch.map(({ message }) => message),
          signal,
        );
        for (const { settled } of batch) settled.resolve();
      } catch (error) {
        this.#log.debug({ err: error, count: batch.length }, 'messages were not sent');
        const reason = this.#closing.signal.aborted ? 'the transport is closed' : 'Kafka does not answer';
        for (const { settled } of [...batch, ...this.#waiting.splice(0)]) settled.reject(unavailable(reason));
      }
    }
    // In the same turn as the last look: a message that came in between would wait for the next one.
    this.#flushing = undefined;
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw unavailable('the transport is closed');
  }
}

function unavailable(message: string): DomainError {
  return new DomainError('UNAVAILABLE', 'TRANSPORT_UNAVAILABLE', message);
}
