// Tells what happens to issues. Start it several times: those of one group share the work, each project's events stay in
// order, and when one ends another goes on where it was.
//
//   KAFKA_BROKERS=localhost:9092 node docs/examples/kafka-consumer.mjs
import kafkajs from 'kafkajs';

const { Kafka, logLevel } = kafkajs;
const { KAFKA_BROKERS = 'localhost:9092', KAFKA_TOPIC_PREFIX = 'issue-tracker', GROUP = 'example' } = process.env;

const kafka = new Kafka({
  clientId: 'example',
  brokers: KAFKA_BROKERS.split(','),
  retry: { initialRetryTime: 100, maxRetryTime: 1000 },
  logLevel: logLevel.NOTHING,
});
const consumer = kafka.consumer({ groupId: GROUP });

// An event may come again, after others that have come already: what is not newer than the newest of its project that was
// worked on is known. Keep this with the results of the work, in one transaction, and a restart does nothing twice either.
const newest = new Map();

const nameOf = ({ storeId, projectId }) => `${storeId} ${projectId}`;

function isKnown(event) {
  const before = newest.get(nameOf(event));
  if (!before) return false;
  const revision = BigInt(event.revision);
  return revision < before.revision || (revision === before.revision && event.ordinal <= before.ordinal);
}

function remember(event) {
  newest.set(nameOf(event), { revision: BigInt(event.revision), ordinal: event.ordinal });
}

// kafkajs does not start a consumer again after every crash: let whatever runs this process start it again.
consumer.on(consumer.events.CRASH, ({ payload }) => {
  if (payload.restart) return;
  console.error(`the consumer has crashed: ${payload.error.message}`);
  process.exit(1);
});
process.once('SIGTERM', () => consumer.disconnect().then(() => process.exit(0)));

await consumer.connect();
await consumer.subscribe({ topics: [`${KAFKA_TOPIC_PREFIX}.issues`], fromBeginning: true });
await consumer.run({
  async eachMessage({ message }) {
    const event = JSON.parse(message.value.toString());
    if (isKnown(event)) return;
    const what = event.after ? `${event.after.key} ${event.after.summary}` : event.entityId;
    console.log(`${event.kind} ${what}`);
    // Only now: work that failed is given again.
    remember(event);
  },
});
