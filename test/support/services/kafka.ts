import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import { kafkaClient } from '../kafka-client.ts';
import type { Certificate } from './certificates.ts';
import { LocalServer } from './local-server.ts';
import { need } from './need.ts';
import { randomName } from './random-name.ts';

/** A real Kafka broker of the tests. It makes no topic unless it is asked to. */
export interface KafkaServer {
  /** host:port, as KAFKA_BROKERS takes them. */
  readonly brokers: string;
  /** The tracker's variables KAFKA_BROKERS and KAFKA_TOPIC_PREFIX, with a prefix that no other test has. */
  topics(): Readonly<Record<'KAFKA_BROKERS' | 'KAFKA_TOPIC_PREFIX', string>>;
}

/** A broker that a test may stop, kill and freeze: it has it for itself, and closes it. After a kill it takes 10 s to serve again. */
export interface OwnKafka extends KafkaServer, Pick<LocalServer, 'start' | 'stop' | 'kill' | 'freeze' | 'thaw'> {
  /** Runs one of Kafka's own tools, such as org.apache.kafka.tools.consumer.ConsoleConsumer; resolves with its output. */
  tool(className: string, ...args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** What a broker has besides, for those who must come by TLS. */
export interface KafkaSecurity {
  readonly certificate: Certificate;
  /** Who may come in by SASL: by PLAIN, and by both kinds of SCRAM. */
  readonly username: string;
  readonly password: string;
}

/** Its `brokers` are without any of this, for the test itself. */
export interface SecuredKafka extends OwnKafka {
  /** host:port where it speaks TLS, and asks nobody who he is. */
  readonly tls: string;
  /** host:port where it speaks TLS and asks for a name by SASL. */
  readonly sasl: string;
}

const HOW =
  'install a Java runtime and run test/support/services/get-kafka.sh, or set TEST_KAFKA_BROKERS=host:port of one that tests may fill';
const libs =
  process.env['TEST_KAFKA_LIBS'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'issue-tracker/kafka-4.1.1');

let shared: Promise<KafkaServer | undefined> | undefined;

/** The broker of this run, that of TEST_KAFKA_BROKERS or one that is started now (in 5 s); else the test is skipped. */
export function kafka(context: Mocha.Context): Promise<KafkaServer> {
  return need(context, 'Kafka', HOW, findKafka);
}

/** A broker for this test alone. It is always started, whatever TEST_KAFKA_BROKERS says; else the test is skipped. */
export function ownKafka(context: Mocha.Context): Promise<OwnKafka> {
  return need(context, 'Kafka', HOW, startKafka);
}

/** As ownKafka(), with TLS and SASL. */
export function securedKafka(context: Mocha.Context, security: KafkaSecurity): Promise<SecuredKafka> {
  return need(context, 'Kafka', HOW, async () => {
    const ports = { tls: await freePort(), sasl: await freePort() };
    const own = await startKafka({ ...security, ports });
    return own && { ...own, tls: `localhost:${ports.tls}`, sasl: `localhost:${ports.sasl}` };
  });
}

/** As kafka(), for what is no test: undefined where there is none. */
export function findKafka(): Promise<KafkaServer | undefined> {
  const brokers = process.env['TEST_KAFKA_BROKERS'];
  shared ??= brokers ? Promise.resolve(serverAt(brokers)) : startKafka();
  return shared;
}

type Secured = KafkaSecurity & { readonly ports: { readonly tls: number; readonly sasl: number } };

/** As ownKafka(). */
export async function startKafka(secured?: Secured): Promise<OwnKafka | undefined> {
  if (!existsSync(join(libs, '.complete')) || !hasJava()) return undefined;
  const local = await LocalServer.start({
    name: 'kafka',
    stopSignal: 'SIGTERM',
    endSignal: 'KILL',
    async command(folder, port) {
      const file = join(folder, 'server.properties');
      writeFileSync(file, properties(folder, port, await freePort(), secured));
      const [id] = (await java('kafka.tools.StorageTool', 'random-uuid')).trim().split('\n').slice(-1);
      await java('kafka.tools.StorageTool', 'format', '--standalone', '-t', id!, '-c', file, ...scramUsers(secured));
      return ['java', ...JVM, '-cp', join(libs, '*'), 'kafka.Kafka', file];
    },
    answers,
  });
  return {
    ...serverAt(`127.0.0.1:${local.port}`),
    tool: java,
    start: () => local.start(),
    stop: () => local.stop(),
    kill: () => local.kill(),
    freeze: () => local.freeze(),
    thaw: () => local.thaw(),
    close: () => local.close(),
  };
}

function serverAt(brokers: string): KafkaServer {
  return {
    brokers,
    topics: () => ({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: `tracker-test-${randomName()}` }),
  };
}

/** A small broker that starts soon rather than one that runs fast for long. */
const JVM = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

const java = async (className: string, ...args: readonly string[]) =>
  (await promisify(execFile)('java', [...JVM, '-cp', join(libs, '*'), className, ...args])).stdout;

const properties = (folder: string, port: number, controllerPort: number, secured: Secured | undefined) =>
  Object.entries({
    ...securedProperties(folder, secured),
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    listeners: listeners(port, controllerPort, secured, '127.0.0.1'),
    'advertised.listeners': listeners(port, controllerPort, secured, 'localhost'),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
    'log.dirs': join(folder, 'data'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

/** `host` is that of the listeners with TLS. */
function listeners(port: number, controllerPort: number, secured: Secured | undefined, host: string): string {
  const open = [`PLAINTEXT://127.0.0.1:${port}`, `CONTROLLER://127.0.0.1:${controllerPort}`];
  const { tls, sasl } = secured?.ports ?? {};
  return [...open, ...(secured ? [`SSL://${host}:${tls}`, `SASL_SSL://${host}:${sasl}`] : [])].join(',');
}

const SCRAM = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

function securedProperties(folder: string, secured: Secured | undefined): object {
  if (!secured) return {};
  const { certificate, username, password } = secured;
  // A file with the key and the certificate, in this order.
  const store = join(folder, 'store.pem');
  writeFileSync(store, [certificate.keyFile, certificate.certFile].map((file) => readFileSync(file, 'utf8')).join(''));
  const login = (module: string, options = '') => `org.apache.kafka.common.security.${module} required${options};`;
  const jaas = [
    ['plain', login('plain.PlainLoginModule', ` user_${username}="${password}"`)],
    ...SCRAM.map((mechanism) => [mechanism.toLowerCase(), login('scram.ScramLoginModule')]),
  ].map(([mechanism, text]) => [`listener.name.sasl_ssl.${mechanism}.sasl.jaas.config`, text]);
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': store,
    'sasl.enabled.mechanisms': ['PLAIN', ...SCRAM],
    ...Object.fromEntries(jaas),
  };
}

/** The broker keeps them, so they are there from the beginning. */
function scramUsers(secured: Secured | undefined): string[] {
  if (!secured) return [];
  const user = `[name=${secured.username},password=${secured.password}]`;
  return SCRAM.flatMap((mechanism) => ['--add-scram', `${mechanism}=${user}`]);
}

/** Metadata, and a coordinator for consumers, which comes a second later. */
async function answers(port: number): Promise<void> {
  const client = kafkaClient(`127.0.0.1:${port}`, {
    connectionTimeout: 1_000,
    requestTimeout: 5_000,
    retry: { retries: 3, initialRetryTime: 50 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    await admin.describeGroups(['tests']);
  } finally {
    await admin.disconnect();
  }
}

function hasJava(): boolean {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
