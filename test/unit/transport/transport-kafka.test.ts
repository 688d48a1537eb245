import assert from 'node:assert/strict';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import { transportConformance } from '../../../core/testing/transport-conformance.ts';
import { Cluster, type Connected } from '../../../plugins/transport-kafka/cluster.ts';
import { KafkaTransport } from '../../../plugins/transport-kafka/kafka-transport.ts';
import plugin from '../../../plugins/transport-kafka/plugin.ts';
import { kafkaSettings } from '../../../plugins/transport-kafka/settings.ts';
import { type KafkaServer, kafka } from '../../support/services/kafka.ts';
import { recordingLogger, setUp } from '../plugin-context.ts';

/** Brokers that have taken a batch when the test says so. */
class HeldCluster extends Cluster {
  taken = Promise.withResolvers<void>();
  producers = 0;

  override async ensure(): Promise<void> {}

  override async connectProducer(): Promise<Connected> {
    this.producers += 1;
    return { send: () => this.taken.promise, close: async () => {} };
  }
}

describe('the settings of Kafka', () => {
  it('take brokers by a name or an IPv4 address and a port, and nothing else', () => {
    const take = (broker: string) => kafkaSettings.safeParse({ brokers: [broker] }).success;
    for (const good of ['localhost:9092', 'kafka-0.kafka.svc:1', '10.0.0.1:65535']) assert.ok(take(good), good);
    for (const bad of ['', 'kafka', 'kafka:', ':9092', 'kafka:0', 'kafka:65536', 'kafka:9092/x', '[::1]:9092', 'a b:1'])
      assert.ok(!take(bad), bad);
  });
});

describe('a message for Kafka', () => {
  it('is sent whenever it comes, also in the turn in which the batch before it was taken', async () => {
    const log = recordingLogger();
    for (let hops = 0; hops < 40; hops++) {
      const cluster = new HeldCluster(kafkaSettings.parse({}), log);
      const transport = new KafkaTransport(cluster, log);
      const first = transport.publish('topic', { key: '', value: 'first' });
      await new Promise((resolve) => setImmediate(resolve));
      cluster.taken.resolve();
      for (let hop = 0; hop < hops; hop++) await undefined;
      let isSent = false;
      const second = transport.publish('topic', { key: '', value: 'second' }).then(() => {
        isSent = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(
        isSent,
        `the second message, published ${hops} microtasks after the first was taken, waits for a third`,
      );
      await Promise.all([first, second]);
      await transport.close();
    }
  });

  it('is sent by a new producer after one that failed: an idempotent one has lost its count', async () => {
    const log = recordingLogger();
    const cluster = new HeldCluster(kafkaSettings.parse({}), log);
    const transport = new KafkaTransport(cluster, log);
    cluster.taken.reject(new Error('the broker went away'));
    await assert.rejects(transport.publish('topic', { key: '', value: 'first' }), { code: 'UNAVAILABLE' });
    cluster.taken = Promise.withResolvers();
    cluster.taken.resolve();
    await transport.publish('topic', { key: '', value: 'second' });
    await transport.publish('topic', { key: '', value: 'third' });
    assert.equal(cluster.producers, 2);
    await transport.close();
  });
});

describe('the transport-kafka plugin', () => {
  let server: KafkaServer;

  before(async function () {
    server = await kafka(this);
  });

  transportConformance(
    { describe, it },
    {
      name: 'kafka',
      async open() {
        const { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX } = server.topics();
        const config = kafkaSettings.parse({ brokers: [KAFKA_BROKERS], topicPrefix: KAFKA_TOPIC_PREFIX });
        const { instance, release } = await setUp(plugin, { config });
        return { transport: instance.provides.transport, close: release };
      },
    },
  );

  it('says in the health why nothing is heard, though a broker answers: a topic that cannot be made', async () => {
    const { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX } = server.topics();
    const config = { brokers: [KAFKA_BROKERS], topicPrefix: KAFKA_TOPIC_PREFIX, replicationFactor: 100 };
    const { instance, contributed, release } = await setUp(plugin, { config });
    const subscribed = instance.provides.transport.subscribe('topic', () => {});
    const [{ check }] = contributed.get('healthChecks') as [HealthCheck];
    const { signal } = new AbortController();
    let health = await check(signal);
    while (health.status === 'up') health = await check(signal);
    const why = 'it has too few brokers for the copies of a topic; set KAFKA_REPLICATION_FACTOR';
    assert.deepEqual(health, { status: 'degraded', detail: `Kafka: ${why}` });
    await Promise.all([assert.rejects(subscribed), release()]);
  });
});
