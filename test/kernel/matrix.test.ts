import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { trackerSettings } from '../../core/cli/configuration.ts';
import { prepare, type Variable } from '../../core/kernel/index.ts';
import { problemsOf } from './support.ts';

const root = join(import.meta.dirname, '../..');
const settings = (env: Record<string, string> = {}) => trackerSettings({ env, cwd: root });
const prepared = async (env: Record<string, string>) => prepare((await settings(env)).entries, builtins);
/** The built-ins of a set of variables, with the settings that a variable sets. */
const sectionOf = async (env: Record<string, string>, plugin: string) =>
  (await prepared(env)).sections.get(plugin)?.config;

/** What enables the plugins that are not enabled by default. */
const ENABLED_BY: Readonly<Record<string, Record<string, string>>> = {
  'storage-postgres': { DB_TYPE: 'postgres', POSTGRES_SSL: 'verify-full' },
  'storage-sqlite': { DB_TYPE: 'sqlite' },
  'cache-redis': { CACHE_TYPE: 'redis' },
  redis: { COMMUNICATION_METHOD: 'redis', REDIS_ADDR: 'rediss://localhost' },
  'transport-kafka': {
    COMMUNICATION_METHOD: 'kafka',
    KAFKA_SSL: 'verify-full',
    KAFKA_SASL_USERNAME: 'tracker',
    KAFKA_SASL_PASSWORD: 'secret',
  },
};

const choices = matrix.variables.filter((variable) => variable.kind === 'choice');

/** Every combination of one value for each variable. */
function combinations(variables: readonly (readonly [string, readonly string[]])[]): Record<string, string>[] {
  return variables.reduce<Record<string, string>[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
}

describe('the matrix of variables', () => {
  it('plans for every combination of the choices that choose plugins', async () => {
    const all = combinations([
      ...choices.filter(({ sets }) => !sets).map((variable) => [variable.name, variable.choices] as const),
      ['ENVIRONMENT', ['development', 'production']],
      ['SEED_RELATIONSHIPS', ['true', 'false']],
    ]);
    assert.ok(all.length >= 60, `${all.length} combinations`);
    for (const env of all) {
      const names = (await prepared(env)).plan.plugins.map((one) => one.name);
      assert.equal(names.includes('seed'), env['ENVIRONMENT'] !== 'production', JSON.stringify(env));
    }
  });

  it('plans for every value of the other choices', async () => {
    for (const { name, choices: values, sets = [] } of choices)
      for (const { plugin } of sets)
        for (const value of values) await prepared({ ...ENABLED_BY[plugin], [name]: value });
  });

  it('names every built-in as the plugin names itself', async () => {
    for (const [name, source] of Object.entries(builtins))
      assert.equal(((await source()).default as { name: string }).name, name);
  });

  for (const variable of choices)
    for (const planned of variable.planned ?? [])
      it(`refuses ${variable.name}=${planned} by name: it is not built yet`, async () => {
        const [problem, ...others] = await problemsOf(() => settings({ [variable.name]: planned }));
        assert.deepEqual([problem?.code, others.length], ['NOT_BUILT', 0]);
        assert.match(
          problem!.message,
          new RegExp(`${variable.name}: '${planned}' is not built yet; choose one of: ${variable.choices.join(', ')}`),
        );
      });

  for (const variable of matrix.variables.filter((one) => one.kind !== 'text' && one.kind !== 'list'))
    it(`refuses a bad ${variable.name}, and says what it takes`, async () => {
      const [problem, ...others] = await problemsOf(() => settings({ [variable.name]: 'nonsense-99' }));
      assert.equal(others.length, 0);
      assert.match(problem!.message, new RegExp(`^variable ${variable.name} `));
      assert.doesNotMatch(problem!.message, /nonsense/);
      const says = { choice: /choose one of: \w+/, integer: /a whole number from \d+ to \d+/, switch: /true or false/ };
      assert.match(problem!.message, says[variable.kind as keyof typeof says]);
    });

  for (const variable of matrix.variables.filter((one) => one.kind === 'integer'))
    it(`takes ${variable.name} from its least to its greatest value, and so does its plugin`, async () => {
      for (const bound of [variable.min, variable.max]) await prepared({ [variable.name]: String(bound) });
      for (const beyond of [variable.min - 1, variable.max + 1, 1.5])
        assert.equal((await problemsOf(() => settings({ [variable.name]: String(beyond) })))[0]?.code, 'BAD_CONFIG');
    });

  it('brings each variable to the setting that it is for', async () => {
    for (const variable of matrix.variables)
      for (const { plugin, path } of variable.sets ?? []) {
        const [text, value] = example(variable);
        const section = await sectionOf({ ...ENABLED_BY[plugin], [variable.name]: text }, plugin);
        const found = path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)?.[key], section);
        assert.deepEqual(found, value, variable.name);
      }
  });

  it('refuses an origin that no browser sends, and says how one is written', async () => {
    for (const origins of ['app.example.com', 'https://app.example.com/', '*,https://app.example.com', 'null']) {
      const [problem] = await problemsOf(() => prepared({ CORS_ORIGINS: origins }));
      assert.deepEqual([problem?.code, /example\.com\/|null/.test(problem!.message)], ['BAD_CONFIG', false]);
      assert.match(problem!.message, /'cors\.origins.*https:\/\/host.*\(variable CORS_ORIGINS\)/);
    }
    assert.equal((await problemsOf(() => prepared({ CORS_ORIGINS: 'https://a.example,' })))[0]?.code, 'BAD_CONFIG');
  });

  it('refuses what is no broker, no prefix of topics, and a way to sign in without a name', async () => {
    for (const [env, says] of [
      [{ KAFKA_BROKERS: 'kafka' }, /'brokers\.0'.*host:port.*\(variable KAFKA_BROKERS\)/],
      [{ KAFKA_BROKERS: '[::1]:9092' }, /'brokers\.0'.*host:port/],
      [{ KAFKA_TOPIC_PREFIX: 'a b' }, /'topicPrefix'.*letters.*\(variable KAFKA_TOPIC_PREFIX\)/],
      [{ KAFKA_SASL_MECHANISM: 'plain' }, /'sasl\.username': must be set for plain: KAFKA_SASL_USERNAME/],
    ] as const)
      assert.match((await problemsOf(() => prepared({ COMMUNICATION_METHOD: 'kafka', ...env })))[0]!.message, says);
  });

  it('refuses an authority that nobody would look at', async () => {
    for (const [env, says] of [
      [
        { DB_TYPE: 'postgres', POSTGRES_SSL_CA: 'a' },
        /'ssl\.caFile': .*set POSTGRES_SSL .*\(variable POSTGRES_SSL_CA\)/,
      ],
      [{ DB_TYPE: 'postgres', POSTGRES_SSL_CA: 'a', POSTGRES_SSL: 'require' }, /set POSTGRES_SSL to that/],
      [
        { COMMUNICATION_METHOD: 'kafka', KAFKA_SSL_CA: 'a' },
        /'ssl\.caFile': .*set KAFKA_SSL .*\(variable KAFKA_SSL_CA\)/,
      ],
      [{ CACHE_TYPE: 'redis', REDIS_SSL_CA: 'a' }, /'caFile': .*set REDIS_ADDR to rediss:.*\(variable REDIS_SSL_CA\)/],
    ] as const) {
      const problems = await problemsOf(() => prepared(env));
      assert.equal(problems.length, 1);
      assert.match(problems[0]!.message, says);
    }
  });

  it('knows the settings of the plugins', () => {
    const targets = matrix.variables.flatMap(({ name, sets = [] }) =>
      sets.map(({ plugin, path }) => `${name} ${plugin}.${path.join('.')}`),
    );
    assert.deepEqual(targets, [
      'GRPC_PORT grpc.port',
      'GRPC_HOST grpc.host',
      'HTTP_PORT rest.port',
      'HTTP_HOST rest.host',
      'CORS_ORIGINS rest.cors.origins',
      'ENVIRONMENT storage-postgres.environment',
      'ENVIRONMENT storage-sqlite.environment',
      'DB_MIGRATE storage-postgres.migrate',
      'DB_MIGRATE storage-sqlite.migrate',
      'SQLITE_PATH storage-sqlite.path',
      'SQLITE_SYNCHRONOUS storage-sqlite.synchronous',
      'POSTGRES_HOST storage-postgres.host',
      'POSTGRES_PORT storage-postgres.port',
      'POSTGRES_USER storage-postgres.user',
      'POSTGRES_PASSWORD storage-postgres.password',
      'POSTGRES_DB storage-postgres.database',
      'POSTGRES_SSL storage-postgres.ssl.mode',
      'POSTGRES_SSL_CA storage-postgres.ssl.caFile',
      'POSTGRES_POOL_SIZE storage-postgres.poolSize',
      'POSTGRES_CONNECT_TIMEOUT_MS storage-postgres.timeoutsMs.connect',
      'POSTGRES_ACQUIRE_TIMEOUT_MS storage-postgres.timeoutsMs.acquire',
      'POSTGRES_STATEMENT_TIMEOUT_MS storage-postgres.timeoutsMs.statement',
      'POSTGRES_LOCK_TIMEOUT_MS storage-postgres.timeoutsMs.lock',
      'POSTGRES_IDLE_TIMEOUT_MS storage-postgres.timeoutsMs.idleInTransaction',
      'CACHE_TTL cache-memory.ttlSeconds',
      'CACHE_TTL cache-redis.ttlSeconds',
      'MEMORY_CACHE_SIZE cache-memory.maxEntries',
      'REDIS_ADDR redis.address',
      'REDIS_SSL_CA redis.caFile',
      'REDIS_USERNAME redis.username',
      'REDIS_PASSWORD redis.password',
      'REDIS_DB redis.database',
      'KAFKA_BROKERS transport-kafka.brokers',
      'KAFKA_TOPIC_PREFIX transport-kafka.topicPrefix',
      'KAFKA_PARTITIONS transport-kafka.partitions',
      'KAFKA_REPLICATION_FACTOR transport-kafka.replicationFactor',
      'KAFKA_SSL transport-kafka.ssl.mode',
      'KAFKA_SSL_CA transport-kafka.ssl.caFile',
      'KAFKA_SASL_MECHANISM transport-kafka.sasl.mechanism',
      'KAFKA_SASL_USERNAME transport-kafka.sasl.username',
      'KAFKA_SASL_PASSWORD transport-kafka.sasl.password',
      'SEED_USER_COUNT seed.counts.users',
      'SEED_PROJECT_COUNT seed.counts.projects',
      'SEED_RELATIONSHIPS seed.relationships',
      'LOG_CALLS api.logCalls',
    ]);
  });

  it('seeds nothing in production, however it is written', async () => {
    for (const [environment, seeds] of [
      ['Production', false],
      ['staging', true],
      ['', true],
    ] as const)
      assert.equal((await sectionOf({ ENVIRONMENT: environment }, 'seed')) !== undefined, seeds);
  });

  for (const file of globSync('config/*.yaml', { cwd: root }))
    it(`plans for the example ${file}`, async () => {
      const { sections } = await prepared({ TRACKER_CONFIG: file });
      assert.ok(sections.size > 0);
    });

  it('is what docs/reference/settings.md says, row by row', () => {
    const text = readFileSync(join(root, 'docs/reference/settings.md'), 'utf8');
    const rows = text.split('\n').filter((line) => line.startsWith('| `'));
    assert.deepEqual(rows, matrix.variables.map(rowOf));
  });

  it('is what .env.example shows, with the defaults', () => {
    const lines = readFileSync(join(root, '.env.example'), 'utf8').matchAll(/^# ([A-Z_]+)=(.*)$/gm);
    assert.deepEqual(
      [...lines].map((match) => [match[1], match[2]]),
      matrix.variables.map((variable) => [variable.name, variable.default ?? '']),
    );
  });
});

/** A text that is not the default, and what a plugin gets for it. */
function example(variable: Variable): [string, unknown] {
  switch (variable.kind) {
    case 'integer':
      return [String(variable.min + 17), variable.min + 17];
    case 'switch':
      return variable.default === 'true' ? ['no', false] : ['yes', true];
    case 'choice': {
      const other = variable.choices.find((choice) => choice !== variable.default)!;
      return [other, other];
    }
    case 'text':
      return ['127.0.0.1', '127.0.0.1'];
    case 'list':
      if (variable.name === 'KAFKA_BROKERS')
        return ['a.example:9092, b.example:9093', ['a.example:9092', 'b.example:9093']];
      return ['http://a.example, http://b.example', ['http://a.example', 'http://b.example']];
  }
}

function rowOf(variable: Variable): string {
  const values = {
    text: () => 'text',
    list: () => 'list, with commas',
    switch: () => 'true, false',
    integer: () => (variable.kind === 'integer' ? `${variable.min} to ${variable.max}` : ''),
    choice: () => {
      if (variable.kind !== 'choice') return '';
      const planned = variable.planned ? ` (planned: ${variable.planned.join(', ')})` : '';
      return variable.choices.join(', ') + planned;
    },
  }[variable.kind]();
  const cells = [`\`${variable.name}\``, values, variable.default ?? '', variable.doc];
  return `| ${cells.map((cell) => (cell === '' ? '' : `${cell} `)).join('| ')}|`;
}
