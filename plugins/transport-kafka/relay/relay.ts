import { isDomainError } from '../../../core/contracts/errors.ts';
import type { Change, ChangeLog } from '../../../core/contracts/log.ts';
import type { Store } from '../../../core/contracts/store.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { pause } from '../../../core/lib/pause.ts';
import { type Cluster, isTooLarge } from '../cluster.ts';
import { SILENCE } from '../faults.ts';
import { Notice } from '../notice.ts';
import { Sender } from '../sender.ts';
import { batches } from './batches.ts';
import { type EventMessage, type EventWriter, eventTopics, MAX_BYTES } from './event.ts';
import { isOvertaken, Position } from './position.ts';

const LEASE = 'kafka.relay';
const RETRY_MS = 500;
/** kafkajs tries a broker that accepts and does not answer for half a minute; so long before that, events wait. */
const LATE_MS = 5_000;

export interface RelayParts {
  readonly store: Store;
  readonly changeLog: ChangeLog;
  readonly cluster: Cluster;
  readonly partitions: number;
  readonly prefix: string;
  /** Of the store that is there. */
  readonly writer: () => Pick<EventWriter, 'write' | 'bare'>;
  readonly log: Logger;
  /** Milliseconds after which events wait for Kafka that it has been given and not confirmed. */
  readonly lateMs?: number;
}

/**
 * Brings the log's events to Kafka in their order, while it holds the lease for it. Where it goes on is written when the
 * brokers have what comes before, so whoever holds the lease next sends some again, and leaves none out. What is not sent
 * yet stays in the log, not here.
 */
export class Relay {
  readonly #parts: RelayParts;
  readonly #notice: Notice;
  /** Up to where Kafka had the log when this instance last sent. */
  #sent = 0;
  /** What a batch may hold; less where a topic has taken less. */
  #maxBytes = MAX_BYTES;
  #woken = false;
  #wakeUp = () => {};

  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#notice = new Notice(parts.log, {
      here: 'events reach Kafka',
      away: 'events wait in the log for Kafka, and are sent when it is there',
    });
  }

  /**
   * False while events wait for Kafka, as far as this instance has tried, or tries without an answer. Where it does not
   * again, because another one relays now or nothing happens, the position tells.
   */
  async isWell(signal: AbortSignal): Promise<boolean> {
    if (!this.#notice.isAway) return true;
    const { store, changeLog, prefix } = this.#parts;
    const position = new Position(store, prefix);
    await position.read(signal);
    const { seq } = position;
    if (seq <= this.#sent && seq < (await changeLog.head())) return false;
    this.#notice.here({ seq });
    return true;
  }

  /** Sends whenever this instance is the holder, until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, changeLog } = this.#parts;
    const unfollow = changeLog.follow(() => this.#wake());
    while (!signal.aborted) {
      try {
        await store.ready(signal);
        await store.lease(LEASE, (held) => this.#hold(held), { signal });
      } catch (error) {
        if (!signal.aborted && !isOvertaken(error)) this.#notice.away(error);
      }
      await pause(RETRY_MS, signal);
    }
    unfollow();
  }

  async #hold(signal: AbortSignal): Promise<void> {
    const { store, cluster, prefix, partitions } = this.#parts;
    const position = new Position(store, prefix);
    await position.read(signal);
    this.#sent = position.seq;
    const writer = this.#parts.writer();
    const topics = eventTopics.map((name) => ({ name: cluster.topic(name), partitions }));
    const sender = new Sender(cluster, topics);
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    try {
      while (!signal.aborted) {
        this.#woken = false;
        const changes = await this.#following(position.seq, signal);
        const last = changes.at(-1);
        if (!last) {
          await this.#sleep();
          continue;
        }
        const messages = changes.map((change) => writer.write(change));
        const send = (batch: readonly EventMessage[]) => this.#send(sender, batch, signal);
        for (const batch of batches(messages, this.#maxBytes)) await this.#sendFitting(batch, send, writer);
        await position.write(last.seq, signal);
        this.#sent = last.seq;
        this.#notice.here({ seq: last.seq });
      }
    } finally {
      signal.removeEventListener('abort', wake);
      await sender.close();
    }
  }

  /** Where a topic takes less at a time: in parts, and at last without what an entity is like. */
  async #sendFitting(
    batch: readonly EventMessage[],
    send: (batch: readonly EventMessage[]) => Promise<void>,
    writer: Pick<EventWriter, 'write' | 'bare'>,
  ): Promise<void> {
    try {
      await send(batch);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      const half = batch.length >> 1;
      if (half === 0) return send(batch.map((message) => writer.bare(message)));
      const bytes = batch.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
      this.#maxBytes = Math.min(this.#maxBytes, Math.ceil(bytes / 2));
      await this.#sendFitting(batch.slice(0, half), send, writer);
      await this.#sendFitting(batch.slice(half), send, writer);
    }
  }

  async #send(sender: Sender, batch: readonly EventMessage[], signal: AbortSignal): Promise<void> {
    const { lateMs = LATE_MS } = this.#parts;
    const late = setTimeout(() => this.#notice.away(SILENCE), lateMs).unref();
    try {
      await sender.send(batch, signal);
    } finally {
      clearTimeout(late);
    }
  }

  /** A relay that stood still for longer than events are kept goes on with those that are left. */
  async #following(after: number, signal: AbortSignal): Promise<readonly Change[]> {
    const { changeLog, log } = this.#parts;
    try {
      return await changeLog.read({ after, signal });
    } catch (error) {
      if (!isDomainError(error) || error.reason !== 'LOG_TRIMMED') throw error;
      const first = Number(error.metadata['first']);
      // Position 0 is that of a relay that has sent nothing yet: what the log no longer keeps was not for it.
      if (after > 0) log.error({ after, first }, 'events were deleted from the log before Kafka had them');
      return changeLog.read({ after: first - 1, signal });
    }
  }

  #wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  async #sleep(): Promise<void> {
    if (this.#woken) return;
    await new Promise<void>((resolve) => {
      this.#wakeUp = resolve;
    });
  }
}
