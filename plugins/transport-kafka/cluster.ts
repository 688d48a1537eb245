import {
  type Admin,
  type Consumer,
  Kafka,
  logLevel,
  Partitioners,
  type Producer,
  type SASLOptions,
  type TopicMessages,
} from 'kafkajs';
import { type Logger, type Token, token } from '../../core/kernel/index.ts';
import { readAuthority } from '../../core/lib/authority.ts';
import { pause } from '../../core/lib/pause.ts';
import { refuseNegativeTimeouts } from './request-queue.ts';
import type { KafkaSettings } from './settings.ts';

/** How long a consumer may take to join its group, in milliseconds. */
const JOIN_MS = 20_000;
const SILENT_STOP_MS = 1_000;
/** A broker that is gone is not waited for at a goodbye. */
const GOODBYE_MS = 1_000;
/** Brokers learn of a new topic a moment after who made it has been answered. */
const KNOWN_MS = 5_000;
const LOOK_MS = 50;

export interface TopicToMake {
  readonly name: string;
  readonly partitions: number;
  readonly config?: Readonly<Record<string, string>>;
}

/** A message of Kafka. Without a partition the key decides, as in Kafka's own clients. */
export interface Outgoing {
  readonly topic: string;
  readonly partition?: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Incoming {
  readonly key: string;
  readonly value: string;
  header(name: string): string | undefined;
}

/**
 * The brokers, by kafkajs, whose faults end here: what it connects to may be dead, so that only an answer counts; a consumer
 * that crashed may stay so without a word, so that none is restarted by it; its waits are cut short; its log is only for
 * debugging.
 */
export class Cluster {
  readonly #kafka: Kafka;
  readonly #prefix: string;
  readonly #replicationFactor: number;
  readonly #made = new Set<string>();
  #asking: Promise<void> | undefined;
  /** Why the last question that has ended was not answered. */
  #failure: unknown;
  #admin: Admin | undefined;

  /** Throws where the file of the authority's certificate cannot be read. */
  constructor(settings: KafkaSettings, log: Logger) {
    refuseNegativeTimeouts();
    const { mode, caFile } = settings.ssl;
    this.#kafka = new Kafka({
      clientId: 'issue-tracker',
      brokers: settings.brokers,
      connectionTimeout: 1_000,
      authenticationTimeout: 3_000,
      requestTimeout: 5_000,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
      logLevel: logLevel.INFO,
      logCreator: () => (entry) => log.debug(fieldsOf(entry.log), `kafkajs: ${entry.log.message}`),
      ...(mode === 'off'
        ? {}
        : {
            ssl: {
              rejectUnauthorized: mode === 'verify-full',
              ...(caFile ? { ca: [readAuthority(caFile, 'KAFKA_SSL_CA')] } : {}),
            },
          }),
      ...(settings.sasl.mechanism === 'none' ? {} : { sasl: settings.sasl as SASLOptions }),
    });
    this.#prefix = settings.topicPrefix;
    this.#replicationFactor = settings.replicationFactor ?? -1;
  }

  topic(name: string): string {
    return `${this.#prefix}.${name}`;
  }

  /** Makes those of the topics that do not exist. */
  async ensure(topics: readonly TopicToMake[]): Promise<void> {
    const unknown = topics.filter(({ name }) => !this.#made.has(name));
    if (unknown.length === 0) return;
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const existing = new Set(await admin.listTopics());
      const missing = unknown.filter(({ name }) => !existing.has(name));
      if (missing.length > 0) {
        await admin.createTopics({
          // Its own wait ends with an error where a broker has not heard of the topic yet.
          waitForLeaders: false,
          topics: missing.map(({ name, partitions, config = {} }) => ({
            topic: name,
            numPartitions: partitions,
            replicationFactor: this.#replicationFactor,
            configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
          })),
        });
        const names = missing.map(({ name }) => name);
        await untilKnown(() => admin.fetchTopicMetadata({ topics: names }));
      }
      for (const { name } of unknown) this.#made.add(name);
    } finally {
      await goodbye(admin);
    }
  }

  /** Somebody may have deleted them. */
  forgetTopics(): void {
    this.#made.clear();
  }

  /** Resolves when a broker has answered, and rejects with the reason as far as it is known. One question is on its way at a time, whoever waits for it. */
  async answers(signal: AbortSignal): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    try {
      await before(signal, this.#asking);
    } catch (error) {
      // A question goes on for longer than most wait: what became of the one before is the better reason.
      throw this.#failure ?? error;
    }
  }

  async #ask(): Promise<void> {
    const admin = this.#admin ?? this.#kafka.admin();
    this.#admin = admin;
    try {
      await admin.connect();
      await admin.describeCluster();
      this.#failure = undefined;
    } catch (error) {
      this.#admin = undefined;
      this.#failure = error;
      void goodbye(admin);
      throw error;
    }
  }

  async connectProducer(signal: AbortSignal): Promise<Connected> {
    const producer = this.#kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    });
    try {
      await before(signal, producer.connect());
    } catch (error) {
      void goodbye(producer);
      throw error;
    }
    return {
      send: async (messages) => {
        await producer.sendBatch({ acks: -1, topicMessages: byTopic(messages) });
      },
      close: () => goodbye(producer),
    };
  }

  /**
   * Hands on what comes to a topic from now on, in a group of its own, until the signal is aborted. Rejects when the
   * consumer has crashed; the next one needs another group, or would wait for this one to time out.
   */
  async listen(options: {
    readonly topic: string;
    readonly groupId: string;
    readonly heard: (message: Incoming) => void;
    readonly joined: () => void;
    readonly signal: AbortSignal;
  }): Promise<void> {
    const consumer = this.#kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 1_000,
      sessionTimeout: 30_000,
      heartbeatInterval: 3_000,
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 1_000,
        retries: 5,
        restartOnFailure: async () => false,
      },
    });
    const ended = new AbortController();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {});
    const fail = (error: Error) => {
      failed.reject(error);
      ended.abort(error);
    };
    const late = setTimeout(() => fail(new Error(`no place in a group within ${JOIN_MS} ms`)), JOIN_MS).unref();
    consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error));
    // Before a crash it says that it stops, and why only after; where nothing follows, it stopped without a word.
    consumer.on(consumer.events.STOP, () => {
      setTimeout(() => fail(new Error('the consumer has stopped')), SILENT_STOP_MS).unref();
    });
    consumer.on(consumer.events.GROUP_JOIN, () => {
      clearTimeout(late);
      options.joined();
    });
    const signal = AbortSignal.any([options.signal, ended.signal]);
    try {
      await before(signal, run(consumer, options));
      await before(options.signal, failed.promise);
    } catch (error) {
      if (!options.signal.aborted) throw error;
    } finally {
      clearTimeout(late);
      await goodbye(consumer);
    }
  }

  async close(): Promise<void> {
    if (this.#admin) await goodbye(this.#admin);
  }
}

/** A producer that has answered. One batch at a time. */
export interface Connected {
  send(messages: readonly Outgoing[]): Promise<void>;
  close(): Promise<void>;
}

/** The brokers, for other plugins of this folder. */
export const kafkaCluster: Token<KafkaBrokers> = token<KafkaBrokers>('transport-kafka.cluster');

export interface KafkaBrokers {
  readonly cluster: Cluster;
  readonly settings: KafkaSettings;
}

async function run(
  consumer: Consumer,
  { topic, heard }: { readonly topic: string; readonly heard: (message: Incoming) => void },
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: false });
  await consumer.run({
    // Nobody goes on from where this group has been.
    autoCommit: false,
    async eachMessage({ message }) {
      heard({
        key: message.key?.toString() ?? '',
        value: message.value?.toString() ?? '',
        header: (name) => message.headers?.[name]?.toString(),
      });
    },
  });
}

async function untilKnown(look: () => Promise<unknown>): Promise<void> {
  const late = AbortSignal.timeout(KNOWN_MS);
  for (;;) {
    try {
      await look();
      return;
    } catch (error) {
      if (late.aborted || !isOf(error, ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])) throw error;
    }
    await pause(LOOK_MS, late);
  }
}

/** Whether the brokers take less in a topic than was sent, in one message or in all that went to one partition. */
export function isTooLarge(error: unknown): boolean {
  return isOf(error, ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
}

/** Whether a broker has answered with one of these errors of Kafka's protocol. */
function isOf(error: unknown, types: readonly string[]): boolean {
  return error instanceof Error && 'type' in error && types.includes(String(error.type));
}

function byTopic(messages: readonly Outgoing[]): TopicMessages[] {
  const topics = new Map<string, TopicMessages>();
  for (const { topic, partition, key, value, headers } of messages) {
    const list = topics.get(topic) ?? { topic, messages: [] };
    topics.set(topic, list);
    list.messages.push({ key, value, headers, ...(partition === undefined ? {} : { partition }) });
  }
  return [...topics.values()];
}

/** Waits for the work, but not past the signal. */
export function before<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    return Promise.reject(signal.reason);
  }
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  return promise;
}

async function goodbye(client: Admin | Producer | Consumer): Promise<void> {
  const gone = new AbortController();
  const disconnected = client.disconnect().catch(() => {});
  await Promise.race([disconnected, pause(GOODBYE_MS, gone.signal)]);
  gone.abort();
}

/** What helps to understand a line, without what kafkajs adds for its own format. */
function fieldsOf({ error, groupId, broker, retryCount }: Record<string, unknown>): object {
  return { error, groupId, broker, retryCount };
}
