import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { LocalServer } from './local-server.ts';
import type { PostgresServer } from './postgres.ts';

/** What the tracker's connections begin with and PgBouncer does not know; as docs/guides/databases.md has it. */
const IGNORED = 'extra_float_digits, options, statement_timeout, lock_timeout, idle_in_transaction_session_timeout';

/** A real PgBouncer in front of a PostgreSQL. */
export interface PgBouncer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * One for this test alone; it is skipped where the package pgbouncer is not installed, also with REQUIRE_SERVICES.
 * `ignoring` what it does not know at the beginning of a connection, or refusing that.
 */
export async function pgBouncer(
  context: Mocha.Context,
  { host, port, user, password }: PostgresServer,
  { mode, ignoring = true }: { readonly mode: 'session' | 'transaction'; readonly ignoring?: boolean },
): Promise<PgBouncer> {
  if (!isInstalled()) {
    console.log('    SKIPPED: there is no PgBouncer (install the package pgbouncer)');
    return context.skip();
  }
  const local = await LocalServer.start({
    name: 'pgbouncer',
    refusesRoot: true,
    stopSignal: 'SIGINT',
    endSignal: 'KILL',
    command(folder, own) {
      const settings = {
        listen_addr: '127.0.0.1',
        listen_port: own,
        unix_socket_dir: '',
        auth_type: 'scram-sha-256',
        auth_file: join(folder, 'users'),
        pool_mode: mode,
        max_client_conn: 200,
        ...(ignoring ? { ignore_startup_parameters: IGNORED } : {}),
      };
      const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
      const file = join(folder, 'pgbouncer.ini');
      writeFileSync(join(folder, 'users'), `"${user}" "${password}"\n`);
      writeFileSync(file, ['[databases]', `* = host=${host} port=${port}`, '[pgbouncer]', ...lines, ''].join('\n'));
      for (const name of ['users', 'pgbouncer.ini']) chmodSync(join(folder, name), 0o644);
      return ['pgbouncer', '-q', file];
    },
    async answers(own) {
      const client = new pg.Client({ host: '127.0.0.1', port: own, user, password, database: 'postgres' });
      client.on('error', () => {});
      await client.connect();
      await client.end();
    },
  });
  return { port: local.port, close: () => local.close() };
}

function isInstalled(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
