import { execFile, execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { freePort, LocalServer } from './local-server.ts';
import { need } from './need.ts';

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

/** As kafka(), for what is no test: undefined where there is none. */
export function findKafka(): Promise<KafkaServer | undefined> {
  const brokers = process.env['TEST_KAFKA_BROKERS'];
  shared ??= brokers ? Promise.resolve(serverAt(brokers)) : startKafka();
  return shared;
}

/** As ownKafka(). */
export async function startKafka(): Promise<OwnKafka | undefined> {
  if (!existsSync(join(libs, '.complete')) || !hasJava()) return undefined;
  const local = await LocalServer.start({
    name: 'kafka',
    stopSignal: 'SIGTERM',
    endSignal: 'KILL',
    async command(folder, port) {
      const file = join(folder, 'server.properties');
      writeFileSync(file, properties(folder, port, await freePort()));
      const [id] = (await java('kafka.tools.StorageTool', 'random-uuid')).trim().split('\n').slice(-1);
      await java('kafka.tools.StorageTool', 'format', '--standalone', '-t', id!, '-c', file);
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
  let count = 0;
  return {
    brokers,
    topics: () => ({ KAFKA_BROKERS: brokers, KAFKA_TOPIC_PREFIX: `tracker-test-${process.pid}-${++count}` }),
  };
}

/** A small broker that starts soon rather than one that runs fast for long. */
const JVM = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];

const java = async (className: string, ...args: readonly string[]) =>
  (await promisify(execFile)('java', [...JVM, '-cp', join(libs, '*'), className, ...args])).stdout;

const properties = (folder: string, port: number, controllerPort: number) =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
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

/** Metadata, and a coordinator for consumers, which comes a second later. */
async function answers(port: number): Promise<void> {
  const client = new Kafka({
    clientId: 'tests',
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
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
