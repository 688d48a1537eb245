import { api } from '../../../core/contracts/api.ts';
import { healthChecks } from '../../../core/contracts/health.ts';
import { changeLog } from '../../../core/contracts/log.ts';
import { changedEntities } from '../../../core/contracts/projects.ts';
import { store } from '../../../core/contracts/store.ts';
import { tables } from '../../../core/contracts/tables.ts';
import { definePlugin } from '../../../core/kernel/index.ts';
import { kafkaCluster } from '../cluster.ts';
import { EventWriter } from './event.ts';
import { relayTable } from './position.ts';
import { Relay } from './relay.ts';

/** Publishes every change in Kafka, for other programs. */
export default definePlugin({
  name: 'kafka-relay',
  kernel: '^1.0.0',
  requires: { api, store, changeLog, changedEntities, kafka: kafkaCluster },
  contributes: { tables, healthChecks },
  setup({ deps, contribute, defer, log }) {
    contribute.tables(relayTable);
    const { cluster, settings } = deps.kafka;
    const relay = new Relay({
      ...deps,
      cluster,
      log,
      partitions: settings.partitions,
      prefix: settings.topicPrefix,
      writer: () =>
        new EventWriter(deps.changeLog.storeId(), deps.changedEntities, deps.api.registry, (name) =>
          cluster.topic(name),
        ),
    });
    contribute.healthChecks({
      component: 'events',
      type: 'kafka',
      required: false,
      async check(signal) {
        // Where the store is away too, nobody can say that nothing waits.
        const isWell = await relay.isWell(signal).catch(() => false);
        return isWell ? { status: 'up' } : { status: 'degraded', detail: 'events wait in the log for Kafka' };
      },
    });
    return {
      start() {
        const ended = new AbortController();
        const running = relay.run(ended.signal);
        defer('the relay', async () => {
          ended.abort();
          await running;
        });
      },
    };
  },
});
