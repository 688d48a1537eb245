import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { LocalServer, type Owner } from './local-server.ts';
import { need } from './need.ts';
import { randomName } from './random-name.ts';

/** A real PostgreSQL server of the tests. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** An empty database that no other test knows, in some 30 ms. */
  createDatabase(): Promise<TestDatabase>;
}

export interface TestDatabase {
  readonly name: string;
  /** The tracker's variables: DB_TYPE, and POSTGRES_* of this database. */
  readonly variables: Readonly<Record<string, string>>;
  /** One statement on a connection of its own. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Ends every connection to it, and removes it. */
  drop(): Promise<void>;
}

/** A server that a test may stop, kill and freeze: it has it for itself, and closes it. */
export interface OwnPostgres extends PostgresServer, Pick<LocalServer, 'start' | 'stop' | 'kill' | 'freeze' | 'thaw'> {
  close(): Promise<void>;
}

const HOW = 'install the package postgresql, or set TEST_POSTGRES_URL=postgres://user:password@host:port';
const USER = 'tracker';
const PASSWORD = 'only for tests';

let shared: Promise<PostgresServer | undefined> | undefined;

/** The server of this run, that of TEST_POSTGRES_URL or one that is started now; else the test is skipped. */
export function postgres(context: Mocha.Context): Promise<PostgresServer> {
  return need(context, 'PostgreSQL', HOW, findPostgres);
}

/** A server for this test alone. It is always started, whatever TEST_POSTGRES_URL says; else the test is skipped. */
export function ownPostgres(context: Mocha.Context, ...options: Parameters<typeof startPostgres>) {
  return need(context, 'PostgreSQL', HOW, () => startPostgres(...options));
}

/** Why PostgreSQL cannot be tested here, and what to do; undefined where it can. Starts nothing. */
export function whyNoPostgres(): string | undefined {
  return process.env['TEST_POSTGRES_URL'] || binaries() ? undefined : HOW;
}

/** As postgres(), for what is no test: undefined where there is none. */
export function findPostgres(): Promise<PostgresServer | undefined> {
  const url = process.env['TEST_POSTGRES_URL'];
  shared ??= url ? Promise.resolve(serverAt(new URL(url))) : startPostgres();
  return shared;
}

/**
 * As ownPostgres(). `settings` are the server's, as in postgresql.conf; `files` are put beside that one: 'pg_hba.conf',
 * 'server.crt' and 'server.key'.
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<OwnPostgres | undefined> {
  const folder = binaries();
  if (!folder) return undefined;
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // What a loss of power would do to a database is nothing that the tests ask.
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    ...settings,
  };
  const local = await LocalServer.start({
    name: 'postgres',
    refusesRoot: true,
    stopSignal: 'SIGINT',
    endSignal: 'QUIT',
    command(home, port, owner) {
      const data = join(home, 'data');
      initialise(folder, home, data, owner);
      for (const [name, text] of Object.entries(files)) {
        writeFileSync(join(data, name), text, { mode: 0o600 });
        if (owner) chownSync(join(data, name), owner.uid, owner.gid);
      }
      const options = Object.entries({ ...all, port: String(port) }).flatMap(([name, value]) => [
        '-c',
        `${name}=${value}`,
      ]);
      return [join(folder, 'postgres'), '-D', data, ...options];
    },
    answers: (port) =>
      query({ host: '127.0.0.1', port, user: USER, password: PASSWORD, database: 'postgres' }, 'select 1').then(),
  });
  const server = serverAt(new URL(`postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${local.port}`));
  return {
    ...server,
    start: () => local.start(),
    stop: () => local.stop(),
    kill: () => local.kill(),
    freeze: () => local.freeze(),
    thaw: () => local.thaw(),
    close: () => local.close(),
  };
}

/** Text orders by a language here, as in many databases: who needs another order must ask for it. */
function initialise(folder: string, home: string, data: string, owner: Owner | undefined): void {
  const passwordFile = join(home, 'password');
  writeFileSync(passwordFile, PASSWORD);
  const args = ['-D', data, '-U', USER, '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--no-sync'];
  const locale = ['--encoding', 'UTF8', '--locale', 'C.UTF-8', '--locale-provider', 'icu', '--icu-locale', 'en-US'];
  execFileSync(join(folder, 'initdb'), [...args, ...locale], { cwd: home, stdio: 'pipe', ...owner });
}

/** The folder of the newest PostgreSQL here: Debian keeps it off the PATH. */
function binaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')));
}

function serverAt(url: URL): PostgresServer {
  const [host, port] = [url.hostname, Number(url.port || 5432)];
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const at = (database: string) => ({ host, port, user, password, database });
  return {
    host,
    port,
    user,
    password,
    async createDatabase() {
      const name = `tracker_test_${randomName()}`;
      await query(at('postgres'), `create database ${name} template template0`);
      const variables = {
        DB_TYPE: 'postgres',
        POSTGRES_HOST: host,
        POSTGRES_PORT: String(port),
        POSTGRES_USER: user,
        POSTGRES_PASSWORD: password,
        POSTGRES_DB: name,
      };
      return {
        name,
        variables,
        query: (text, values = []) => query(at(name), text, values),
        drop: () => query(at('postgres'), `drop database if exists ${name} with (force)`).then(() => {}),
      };
    },
  };
}

async function query(at: pg.ClientConfig, text: string, values: readonly unknown[] = []) {
  const client = new pg.Client(at);
  // A server that ends meanwhile fails the call; the client says so a second time.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text, [...values])).rows;
  } finally {
    await client.end();
  }
}
