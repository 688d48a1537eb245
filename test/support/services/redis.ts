import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { LocalServer } from './local-server.ts';
import { need } from './need.ts';

/** A real Redis server of the tests. */
export interface RedisServer {
  /** host:port, as REDIS_ADDR takes it. */
  readonly address: string;
  /**
   * The tracker's variables REDIS_ADDR and REDIS_DB, of an empty database that no other test of this run has. Channels
   * of Pub/Sub are common to all databases.
   */
  database(): Promise<Readonly<Record<'REDIS_ADDR' | 'REDIS_DB', string>>>;
  /** One command, in a database; its answer as Redis writes it ('+OK', ':1'), of one line. Throws what it refuses. */
  send(command: readonly string[], database?: string): Promise<string>;
}

/** A server that a test may stop, kill and freeze: it has it for itself, and closes it. */
export interface OwnRedis extends RedisServer, Pick<LocalServer, 'start' | 'stop' | 'kill' | 'freeze' | 'thaw'> {
  close(): Promise<void>;
}

const HOW = 'install the package redis-server, or set TEST_REDIS_ADDR=host:port of one that tests may empty';
/** What a server has unless it is told otherwise; those of TEST_REDIS_ADDR are used in turns. */
const DATABASES = 16;

let shared: Promise<RedisServer | undefined> | undefined;

/** The server of this run, that of TEST_REDIS_ADDR or one that is started now; else the test is skipped. */
export function redis(context: Mocha.Context): Promise<RedisServer> {
  return need(context, 'Redis', HOW, findRedis);
}

/** A server for this test alone. It is always started, whatever TEST_REDIS_ADDR says; else the test is skipped. */
export function ownRedis(context: Mocha.Context, args: readonly string[] = []): Promise<OwnRedis> {
  return need(context, 'Redis', HOW, () => startRedis(args));
}

/** As redis(), for what is no test: undefined where there is none. */
export function findRedis(): Promise<RedisServer | undefined> {
  const address = process.env['TEST_REDIS_ADDR'];
  shared ??= address ? Promise.resolve(serverAt(address, DATABASES)) : startRedis();
  return shared;
}

/** As ownRedis(). `args` are the server's own: '--requirepass', 'secret'. */
export async function startRedis(args: readonly string[] = []): Promise<OwnRedis | undefined> {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const databases = 1_000;
  const local = await LocalServer.start({
    name: 'redis',
    stopSignal: 'SIGTERM',
    endSignal: 'KILL',
    command: (folder, port) => {
      const own = { port, dir: folder, bind: '127.0.0.1', databases, appendonly: 'no', save: '' };
      return ['redis-server', ...Object.entries(own).flatMap(([name, value]) => [`--${name}`, String(value)]), ...args];
    },
    // With a password it refuses, and answers too.
    answers: (port) => ask(`127.0.0.1:${port}`, [['PING']]).then(() => {}),
  });
  return {
    ...serverAt(`127.0.0.1:${local.port}`, databases),
    start: () => local.start(),
    stop: () => local.stop(),
    kill: () => local.kill(),
    freeze: () => local.freeze(),
    thaw: () => local.thaw(),
    close: () => local.close(),
  };
}

function serverAt(address: string, databases: number): RedisServer {
  let last = 0;
  const send = async (command: readonly string[], database = '0') => {
    const [, answer = ''] = await ask(address, [['SELECT', database], command]);
    if (answer.startsWith('-')) throw new Error(answer.slice(1));
    return answer;
  };
  return {
    address,
    send,
    async database() {
      last = (last + 1) % databases;
      const REDIS_DB = String(last);
      await send(['FLUSHDB'], REDIS_DB);
      return { REDIS_ADDR: address, REDIS_DB };
    },
  };
}

/** Sends commands on a connection of its own, and returns the first line of each answer. */
async function ask(address: string, commands: readonly (readonly string[])[]): Promise<string[]> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect(Number(port), host);
  try {
    await once(socket, 'connect');
    const words = (command: readonly string[]) =>
      `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
    socket.write(commands.map(words).join(''));
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      const lines = text.split('\r\n');
      if (lines.length > commands.length) return lines.slice(0, commands.length);
    }
    throw new Error('Redis closed the connection');
  } finally {
    socket.destroy();
  }
}
