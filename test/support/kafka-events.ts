import { setTimeout } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { kafkaClient } from './kafka-client.ts';

/** A message of a topic of events, with its value as JSON. */
export interface PublishedEvent {
  /** Without the prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of an event
  readonly value: any;
  /** When it arrived here, in milliseconds of performance.now(). */
  readonly at: number;
}

/** What other programs get of the tracker's events: from the beginning, in the order of arrival. */
export interface PublishedEvents {
  readonly all: readonly PublishedEvent[];
  /** Resolves when this holds; it is looked at whenever something arrives. */
  until(holds: (all: readonly PublishedEvent[]) => boolean): Promise<void>;
  end(): Promise<void>;
}

/** Resolves when a group of consumers has so many members, and none of them comes or goes. */
export async function untilGroupHas(brokers: string, groupId: string, members: number): Promise<void> {
  const admin = clientOf(brokers).admin();
  await admin.connect();
  for (;;) {
    const [group] = (await admin.describeGroups([groupId])).groups;
    if (group?.state === 'Stable' && group.members.length === members) break;
    await setTimeout(20);
  }
  await admin.disconnect();
}

/** Makes a topic before the tracker does, with settings of its own. */
export async function makeTopic(brokers: string, topic: string, config: Readonly<Record<string, string>>) {
  const admin = clientOf(brokers).admin();
  await admin.connect();
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }], waitForLeaders: false });
  await admin.disconnect();
}

function clientOf(brokers: string): Kafka {
  return kafkaClient(brokers, { retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 1_000 } });
}

const TOPICS = ['projects', 'issues', 'users'];

/** Waits until the relay has made the topics. */
export async function readEvents(topics: {
  readonly KAFKA_BROKERS: string;
  readonly KAFKA_TOPIC_PREFIX: string;
}): Promise<PublishedEvents> {
  const prefix = `${topics.KAFKA_TOPIC_PREFIX}.`;
  const kafka = clientOf(topics.KAFKA_BROKERS);
  const admin = kafka.admin();
  await admin.connect();
  const names = TOPICS.map((topic) => prefix + topic);
  for (let existing = new Set<string>(); !names.every((name) => existing.has(name)); await setTimeout(20))
    existing = new Set(await admin.listTopics());
  await admin.disconnect();
  const all: PublishedEvent[] = [];
  const waiting = new Set<() => void>();
  const consumer = kafka.consumer({ groupId: `${prefix}tests`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: names, fromBeginning: true });
  await consumer.run({
    async eachMessage({ topic, partition, message }) {
      const headers = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      all.push({
        topic: topic.slice(prefix.length),
        partition,
        key: String(message.key),
        headers: Object.fromEntries(headers),
        value: JSON.parse(String(message.value)),
        at: performance.now(),
      });
      for (const look of [...waiting]) look();
    },
  });
  return {
    all,
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds(all)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    end: () => consumer.disconnect(),
  };
}
