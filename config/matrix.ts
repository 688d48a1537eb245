import type { Matrix, Variable, VariableValues } from '../core/kernel/index.ts';

/** The variables, in the order of the reference. docs/reference/settings.md and .env.example are tested against it. */
const variables = [
  {
    name: 'GRPC_PORT',
    kind: 'integer',
    min: 0,
    max: 65535,
    default: '50052',
    doc: 'Port of the gRPC server; 0 takes a free one.',
    sets: [{ plugin: 'grpc', path: ['port'] }],
  },
  {
    name: 'GRPC_HOST',
    kind: 'text',
    doc: 'Address the gRPC server listens on; all interfaces when it is not set.',
    sets: [{ plugin: 'grpc', path: ['host'] }],
  },
  {
    name: 'HTTP_PORT',
    kind: 'integer',
    min: 0,
    max: 65535,
    default: '8080',
    doc: 'Port of the HTTP server; 0 takes a free one.',
    sets: [{ plugin: 'rest', path: ['port'] }],
  },
  {
    name: 'HTTP_HOST',
    kind: 'text',
    doc: 'Address the HTTP server listens on; all interfaces when it is not set.',
    sets: [{ plugin: 'rest', path: ['host'] }],
  },
  {
    name: 'CORS_ORIGINS',
    kind: 'list',
    doc: 'Web pages of which other origins may read answers of the HTTP server and change something: `https://app.example.com`, or `*` for all; none when it is not set.',
    sets: [{ plugin: 'rest', path: ['cors', 'origins'] }],
  },
  {
    name: 'ENVIRONMENT',
    kind: 'text',
    default: 'development',
    doc: 'Name of the environment; nothing is seeded in `production`.',
    sets: [
      { plugin: 'storage-postgres', path: ['environment'] },
      { plugin: 'storage-sqlite', path: ['environment'] },
    ],
  },
  {
    name: 'DB_TYPE',
    kind: 'choice',
    choices: ['memdb', 'postgres', 'sqlite'],
    default: 'memdb',
    doc: 'Where the data is kept.',
  },
  {
    name: 'DB_MIGRATE',
    kind: 'choice',
    choices: ['auto', 'manual'],
    doc: 'Whether the start applies what the schema lacks; `auto` when it is not set, and `manual` in `production`.',
    sets: [
      { plugin: 'storage-postgres', path: ['migrate'] },
      { plugin: 'storage-sqlite', path: ['migrate'] },
    ],
  },
  {
    name: 'SQLITE_PATH',
    kind: 'text',
    default: 'data/tracker.db',
    doc: 'File of the SQLite database; its folder is made.',
    sets: [{ plugin: 'storage-sqlite', path: ['path'] }],
  },
  {
    name: 'SQLITE_SYNCHRONOUS',
    kind: 'choice',
    choices: ['normal', 'full'],
    default: 'normal',
    doc: 'When a commit is on the disk: `full` is at once; with `normal` the last moments may be lost when the machine fails.',
    sets: [{ plugin: 'storage-sqlite', path: ['synchronous'] }],
  },
  {
    name: 'POSTGRES_HOST',
    kind: 'text',
    default: 'localhost',
    doc: 'Host of PostgreSQL: a name, an address, or the folder of its socket.',
    sets: [{ plugin: 'storage-postgres', path: ['host'] }],
  },
  {
    name: 'POSTGRES_PORT',
    kind: 'integer',
    min: 1,
    max: 65_535,
    default: '5432',
    doc: 'Port of PostgreSQL.',
    sets: [{ plugin: 'storage-postgres', path: ['port'] }],
  },
  {
    name: 'POSTGRES_USER',
    kind: 'text',
    default: 'postgres',
    doc: 'User that the tracker is in PostgreSQL.',
    sets: [{ plugin: 'storage-postgres', path: ['user'] }],
  },
  {
    name: 'POSTGRES_PASSWORD',
    kind: 'text',
    secret: true,
    doc: 'Password of that user; a secret, so it may come from `POSTGRES_PASSWORD_FILE`.',
    sets: [{ plugin: 'storage-postgres', path: ['password'] }],
  },
  {
    name: 'POSTGRES_DB',
    kind: 'text',
    default: 'postgres',
    doc: 'Database in PostgreSQL; it must exist.',
    sets: [{ plugin: 'storage-postgres', path: ['database'] }],
  },
  {
    name: 'POSTGRES_SSL',
    kind: 'choice',
    choices: ['off', 'require', 'verify-full'],
    default: 'off',
    doc: 'TLS to PostgreSQL: none, whoever answers, or only by a certificate for its host that is trusted.',
    sets: [{ plugin: 'storage-postgres', path: ['ssl', 'mode'] }],
  },
  {
    name: 'POSTGRES_SSL_CA',
    kind: 'text',
    doc: "Path of the certificate (PEM) of the authority that signed PostgreSQL's, where the system does not know it.",
    sets: [{ plugin: 'storage-postgres', path: ['ssl', 'caFile'] }],
  },
  {
    name: 'POSTGRES_POOL_SIZE',
    kind: 'integer',
    min: 2,
    max: 1_000,
    default: '16',
    doc: 'Connections to PostgreSQL for transactions at most; one more is for leases and health.',
    sets: [{ plugin: 'storage-postgres', path: ['poolSize'] }],
  },
  ...(
    [
      ['CONNECT', 'connect', '5000', 'to make a connection'],
      ['ACQUIRE', 'acquire', '10000', 'to get a connection, the wait for others included'],
      ['STATEMENT', 'statement', '30000', 'that one statement takes in PostgreSQL'],
      ['LOCK', 'lock', '10000', 'that a statement waits for one lock in PostgreSQL'],
      ['IDLE', 'idleInTransaction', '30000', 'that a transaction does nothing in PostgreSQL'],
    ] as const
  ).map(
    ([name, key, preset, doc]) =>
      ({
        name: `POSTGRES_${name}_TIMEOUT_MS`,
        kind: 'integer',
        min: 100,
        max: 3_600_000,
        default: preset,
        doc: `The most milliseconds ${doc}.`,
        sets: [{ plugin: 'storage-postgres', path: ['timeoutsMs', key] }],
      }) as const,
  ),
  {
    name: 'CACHE_TYPE',
    kind: 'choice',
    choices: ['memory', 'redis'],
    default: 'memory',
    doc: 'Where rows that were read are kept near.',
  },
  {
    name: 'CACHE_TTL',
    kind: 'integer',
    min: 1,
    max: 31_536_000,
    default: '3600',
    doc: 'Seconds that a row stays in the cache at most.',
    sets: [
      { plugin: 'cache-memory', path: ['ttlSeconds'] },
      { plugin: 'cache-redis', path: ['ttlSeconds'] },
    ],
  },
  {
    name: 'MEMORY_CACHE_SIZE',
    kind: 'integer',
    min: 1,
    max: 10_000_000,
    default: '10000',
    doc: 'Rows that the memory cache holds at most.',
    sets: [{ plugin: 'cache-memory', path: ['maxEntries'] }],
  },
  {
    name: 'COMMUNICATION_METHOD',
    kind: 'choice',
    choices: ['stream', 'redis', 'kafka'],
    default: 'stream',
    doc: 'How instances tell each other that something changed.',
  },
  {
    name: 'REDIS_ADDR',
    kind: 'text',
    default: 'localhost:6379',
    doc: 'Where Redis is: `host:port`, or `rediss://host:port` for TLS.',
    sets: [{ plugin: 'redis', path: ['address'] }],
  },
  {
    name: 'REDIS_SSL_CA',
    kind: 'text',
    doc: "Path of the certificate (PEM) of the authority that signed Redis's, where the system does not know it.",
    sets: [{ plugin: 'redis', path: ['caFile'] }],
  },
  {
    name: 'REDIS_USERNAME',
    kind: 'text',
    doc: 'User that the tracker is in Redis, where it knows several (ACL).',
    sets: [{ plugin: 'redis', path: ['username'] }],
  },
  {
    name: 'REDIS_PASSWORD',
    kind: 'text',
    secret: true,
    doc: 'Password of Redis, or of that user; a secret, so it may come from `REDIS_PASSWORD_FILE`.',
    sets: [{ plugin: 'redis', path: ['password'] }],
  },
  {
    name: 'REDIS_DB',
    kind: 'integer',
    min: 0,
    max: 1_000_000,
    default: '0',
    doc: 'Number of the database in Redis.',
    sets: [{ plugin: 'redis', path: ['database'] }],
  },
  {
    name: 'KAFKA_BROKERS',
    kind: 'list',
    default: 'localhost:9092',
    doc: 'Brokers of Kafka that are asked first: `host:port`, several with commas.',
    sets: [{ plugin: 'transport-kafka', path: ['brokers'] }],
  },
  {
    name: 'KAFKA_TOPIC_PREFIX',
    kind: 'text',
    default: 'issue-tracker',
    doc: 'What the names of the topics begin with: `issue-tracker.issues` and so on.',
    sets: [{ plugin: 'transport-kafka', path: ['topicPrefix'] }],
  },
  {
    name: 'KAFKA_PARTITIONS',
    kind: 'integer',
    min: 1,
    max: 10_000,
    default: '6',
    doc: 'Partitions of the topics of events that are made; those that exist stay as they are.',
    sets: [{ plugin: 'transport-kafka', path: ['partitions'] }],
  },
  {
    name: 'KAFKA_REPLICATION_FACTOR',
    kind: 'integer',
    min: 1,
    max: 100,
    doc: 'Copies of each partition of the topics that are made; as the brokers have it when it is not set.',
    sets: [{ plugin: 'transport-kafka', path: ['replicationFactor'] }],
  },
  {
    name: 'KAFKA_SSL',
    kind: 'choice',
    choices: ['off', 'require', 'verify-full'],
    default: 'off',
    doc: 'TLS to Kafka: none, whoever answers, or only by a certificate for its host that is trusted.',
    sets: [{ plugin: 'transport-kafka', path: ['ssl', 'mode'] }],
  },
  {
    name: 'KAFKA_SSL_CA',
    kind: 'text',
    doc: "Path of the certificate (PEM) of the authority that signed Kafka's, where the system does not know it.",
    sets: [{ plugin: 'transport-kafka', path: ['ssl', 'caFile'] }],
  },
  {
    name: 'KAFKA_SASL_MECHANISM',
    kind: 'choice',
    choices: ['none', 'plain', 'scram-sha-256', 'scram-sha-512'],
    default: 'none',
    doc: 'How the tracker says to Kafka who it is.',
    sets: [{ plugin: 'transport-kafka', path: ['sasl', 'mechanism'] }],
  },
  {
    name: 'KAFKA_SASL_USERNAME',
    kind: 'text',
    doc: 'User that the tracker is in Kafka.',
    sets: [{ plugin: 'transport-kafka', path: ['sasl', 'username'] }],
  },
  {
    name: 'KAFKA_SASL_PASSWORD',
    kind: 'text',
    secret: true,
    doc: 'Password of that user; a secret, so it may come from `KAFKA_SASL_PASSWORD_FILE`.',
    sets: [{ plugin: 'transport-kafka', path: ['sasl', 'password'] }],
  },
  {
    name: 'SEED_USER_COUNT',
    kind: 'integer',
    min: 0,
    max: 100_000,
    default: '5',
    doc: 'Users that are made in an empty store.',
    sets: [{ plugin: 'seed', path: ['counts', 'users'] }],
  },
  {
    name: 'SEED_PROJECT_COUNT',
    kind: 'integer',
    min: 0,
    max: 100_000,
    default: '5',
    doc: 'Projects that are made in an empty store.',
    sets: [{ plugin: 'seed', path: ['counts', 'projects'] }],
  },
  {
    name: 'SEED_RELATIONSHIPS',
    kind: 'switch',
    default: 'false',
    doc: 'Whether the seeded projects get members and issues.',
    sets: [{ plugin: 'seed', path: ['relationships'] }],
  },
  {
    name: 'ADMIN_API',
    kind: 'switch',
    default: 'true',
    doc: 'Whether export and import are offered, to callers on this machine; `false` where a proxy on it passes on gRPC.',
  },
  {
    name: 'LOG_LEVEL',
    kind: 'choice',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    doc: 'The least severe messages that are logged.',
  },
  {
    name: 'LOG_CALLS',
    kind: 'choice',
    choices: ['slow', 'all', 'none'],
    default: 'slow',
    doc: 'Which calls are logged: `slow` is errors and calls over 100 ms.',
    sets: [{ plugin: 'api', path: ['logCalls'] }],
  },
  {
    name: 'TRACKER_CONFIG',
    kind: 'text',
    doc: 'Path of a settings file (YAML).',
    realOnly: true,
  },
  {
    name: 'PLUGINS',
    kind: 'text',
    doc: 'Plugins to add, separated by commas: names of built-ins, `./file.ts`, or packages.',
    realOnly: true,
  },
] as const satisfies readonly Variable[];

/** Enabled whatever the variables say. */
const ALWAYS = ['log', 'user', 'project', 'issue', 'api', 'grpc', 'rest', 'health'];

/** Which plugin each choice of a variable enables. */
const CHOSEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  DB_TYPE: { memdb: 'storage-memdb', postgres: 'storage-postgres', sqlite: 'storage-sqlite' },
  CACHE_TYPE: { memory: 'cache-memory', redis: 'cache-redis' },
  COMMUNICATION_METHOD: { stream: 'transport-stream', redis: 'transport-redis', kafka: 'transport-kafka' },
};

function plugins(values: VariableValues) {
  const list = ALWAYS.map((use) => ({ use, origin: 'default' }));
  for (const [variable, choices] of Object.entries(CHOSEN)) {
    const chosen = values.get(variable);
    const use = choices[String(chosen?.value)];
    if (chosen && use) list.push({ use, origin: originOf(variable, chosen.origin) });
  }
  for (const variable of ['CACHE_TYPE', 'COMMUNICATION_METHOD']) {
    const chosen = values.get(variable);
    if (chosen?.value !== 'redis') continue;
    list.push({ use: 'redis', origin: originOf(variable, chosen.origin) });
    break;
  }
  const method = values.get('COMMUNICATION_METHOD');
  if (method?.value === 'kafka')
    list.push({ use: 'kafka-relay', origin: originOf('COMMUNICATION_METHOD', method.origin) });
  const environment = values.get('ENVIRONMENT');
  if (environment && String(environment.value).toLowerCase() !== 'production')
    list.push({ use: 'seed', origin: originOf('ENVIRONMENT', environment.origin) });
  const admin = values.get('ADMIN_API');
  if (admin?.value === true) list.push({ use: 'admin', origin: originOf('ADMIN_API', admin.origin) });
  return list;
}

function originOf(variable: string, origin: string): string {
  return origin.includes(variable) ? origin : `${variable}, ${origin}`;
}

/** Turns variables into enabled plugins and their settings. Pure. */
export const matrix: Matrix = { variables, plugins };
