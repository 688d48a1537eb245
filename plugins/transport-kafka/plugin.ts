import { healthChecks } from '../../core/contracts/health.ts';
import { transport } from '../../core/contracts/transport.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { Cluster, kafkaCluster } from './cluster.ts';
import { faultOf } from './faults.ts';
import { KafkaTransport } from './kafka-transport.ts';
import { kafkaSettings } from './settings.ts';

/** How long the health waits for an answer, in milliseconds: less than whoever asks for it. */
const PATIENCE_MS = 800;

/** Carries messages between instances through Kafka. It starts without a broker, and goes on when one is there. */
export default definePlugin({
  name: 'transport-kafka',
  kernel: '^1.0.0',
  provides: { transport, kafka: kafkaCluster },
  contributes: { healthChecks },
  config: kafkaSettings,
  setup({ config, contribute, defer, log }) {
    const cluster = new Cluster(config, log);
    defer('cluster', () => cluster.close());
    const kafka = new KafkaTransport(cluster, log);
    defer('transport', () => kafka.close());
    contribute.healthChecks({
      component: 'communication',
      type: 'kafka',
      required: false,
      async check(signal) {
        try {
          await cluster.answers(AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
          const { deafness } = kafka;
          return deafness === undefined ? { status: 'up' } : { status: 'degraded', detail: `Kafka: ${deafness}` };
        } catch (error) {
          return { status: 'down', detail: `Kafka: ${faultOf(error)}` };
        }
      },
    });
    return { provides: { transport: kafka, kafka: { cluster, settings: config } } };
  },
});
