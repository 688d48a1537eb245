import { before, type Cluster, type Connected, type Outgoing, type TopicToMake } from './cluster.ts';

/** Sends one batch after the other. After an error the next one begins with a new producer. */
export class Sender {
  readonly #cluster: Cluster;
  readonly #topics: readonly TopicToMake[];
  #producer: Connected | undefined;

  /** The topics are made when something is sent. */
  constructor(cluster: Cluster, topics: readonly TopicToMake[]) {
    this.#cluster = cluster;
    this.#topics = topics;
  }

  /** Resolves when all in-sync brokers have the messages. Rejects when the signal is aborted; some may be there then. */
  async send(messages: readonly Outgoing[], signal: AbortSignal): Promise<void> {
    try {
      if (!this.#producer) {
        await before(signal, this.#cluster.ensure(this.#topics));
        this.#producer = await this.#cluster.connectProducer(signal);
      }
      await before(signal, this.#producer.send(messages));
    } catch (error) {
      this.#cluster.forgetTopics();
      void this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.close();
  }
}
