import assert from 'node:assert/strict';
import { kafkaClient } from '../../support/kafka-client.ts';
import { kafka } from '../../support/services/kafka.ts';

describe('the Kafka of the tests', () => {
  it('makes topics, takes messages and gives them to a group', async function () {
    const server = await kafka(this);
    const { KAFKA_TOPIC_PREFIX: topic } = server.topics();
    const client = kafkaClient(server.brokers);
    const [admin, producer, consumer] = [client.admin(), client.producer(), client.consumer({ groupId: topic })];
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] });
      await producer.send({ topic, messages: [{ value: 'hello' }] });
      await consumer.subscribe({ topic, fromBeginning: true });
      const value = await new Promise((resolve) => {
        consumer.run({ eachMessage: async ({ message }) => resolve(String(message.value)) });
      });
      assert.equal(value, 'hello');
    } finally {
      await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
    }
  });
});
