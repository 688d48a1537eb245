import { builtins } from '../../config/builtins.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import { pluginConformance } from '../../core/testing/plugin-conformance.ts';
import redisPlugin from '../../plugins/redis/plugin.ts';
import transportKafka from '../../plugins/transport-kafka/plugin.ts';
import { configured } from '../support/configured.ts';
import { findKafka, kafka } from '../support/services/kafka.ts';
import { findPostgres, postgres } from '../support/services/postgres.ts';
import { findRedis, redis } from '../support/services/redis.ts';

const server = await findPostgres();
const database = await server?.createDatabase();
const cacheServer = await findRedis();
const address = cacheServer && { address: cacheServer.address };
const topics = (await findKafka())?.topics();
const brokers = topics && { brokers: [topics.KAFKA_BROKERS], topicPrefix: topics.KAFKA_TOPIC_PREFIX };

/** Settings with which a plugin disturbs no other program of the machine; undefined where the server that it needs is missing. */
const samples: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>> = {
  grpc: { port: 0, host: '127.0.0.1' },
  rest: { port: 0, host: '127.0.0.1' },
  'storage-postgres': server && {
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database: database!.name,
  },
  redis: address,
  'cache-redis': address && {},
  'transport-redis': address && {},
  'transport-kafka': brokers,
  'kafka-relay': brokers && {},
};

/** What each needs besides the tracker's own. */
const beside: Readonly<Record<string, readonly Plugin[]>> = {
  'cache-redis': [configured(redisPlugin, address ?? {})],
  'transport-redis': [configured(redisPlugin, address ?? {})],
  'kafka-relay': [configured(transportKafka, brokers ?? {})],
};

for (const [name, load] of Object.entries(builtins)) {
  const plugin = (await load()).default as Plugin;
  if (name in samples && !samples[name])
    it(`plugin '${name}'`, async function () {
      await (name.includes('redis') ? redis(this) : name.includes('kafka') ? kafka(this) : postgres(this));
    });
  else pluginConformance({ describe, it }, plugin, samples[name], { beside: beside[name] ?? [] });
}

after(() => database?.drop());
