import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { refuseNegativeTimeouts } from '../../plugins/transport-kafka/request-queue.ts';

/** A client of the tests' own; `brokers` is as KAFKA_BROKERS takes it. It says nothing by itself. */
export function kafkaClient(brokers: string, options: Omit<KafkaConfig, 'brokers'> = {}): Kafka {
  refuseNegativeTimeouts();
  return new Kafka({ clientId: 'tests', logLevel: logLevel.NOTHING, ...options, brokers: brokers.split(',') });
}
