import { transportConformance } from '../../../core/testing/transport-conformance.ts';
import plugin from '../../../plugins/transport-kafka/plugin.ts';
import { kafkaSettings } from '../../../plugins/transport-kafka/settings.ts';
import { type KafkaServer, kafka } from '../../support/services/kafka.ts';
import { setUp } from '../plugin-context.ts';

describe('the transport-kafka plugin', function () {
  this.timeout(30_000);
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
});
