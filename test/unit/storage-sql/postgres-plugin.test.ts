import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { defineTable, int64, uuid } from '../../../core/contracts/tables.ts';
import plugin from '../../../plugins/storage-sql/postgres/plugin.ts';
import { ownPostgres, type PostgresServer, postgres, type TestDatabase } from '../../support/services/postgres.ts';
import { setUp } from '../plugin-context.ts';

const things = defineTable({ name: 'things', columns: { id: uuid(), n: int64() }, primaryKey: ['id'] });
const ID = '00000000-0000-7000-8000-000000000001';
const collected = { tables: [{ plugin: 'things', value: things }], migrations: [] };
const SECRET = 'never shown anywhere';

interface Started {
  readonly store: Store;
  readonly check: HealthCheck;
  readonly reasons: () => readonly string[];
  readonly said: () => string;
  /** What the last opening changed in the schema. */
  readonly changes: () => readonly unknown[];
  release(): Promise<void>;
}

async function start(config: object): Promise<Started> {
  const made = await setUp(plugin, { config });
  const lines = () => made.log.lines;
  await made.instance.start(collected, new AbortController().signal);
  return {
    store: made.instance.provides.store,
    check: made.contributed.get('healthChecks')![0] as HealthCheck,
    reasons: () => lines().flatMap(({ level, message }) => (level === 'warn' ? [message] : [])),
    said: () => JSON.stringify(lines()),
    changes: () => (lines().at(-1)!.fields as { changes: unknown[] }).changes,
    release: () => made.release(),
  };
}
const healthOf = ({ check }: Started) => check.check(AbortSignal.timeout(30_000));

describe('storage-postgres', () => {
  let server: PostgresServer;
  let own: TestDatabase;
  let settings: { host: string; port: number; user: string; password: string; database: string };

  before(async function () {
    server = await postgres(this);
  });
  beforeEach(async () => {
    own = await server.createDatabase();
    settings = {
      host: server.host,
      port: server.port,
      user: server.user,
      password: server.password,
      database: own.name,
    };
  });
  afterEach(() => own.drop());

  /** Starts with settings that do not work now, and returns the line for the operator. */
  async function reasonFor(config: object): Promise<string> {
    const started = await start({ ...settings, ...config });
    try {
      const { status, detail } = await healthOf(started);
      assert.equal(status, 'down');
      await assert.rejects(
        started.store.read(async () => {}),
        { kind: 'unavailable' },
      );
      const [reason, ...others] = started.reasons();
      assert.deepEqual(others, []);
      assert.equal(reason, `not ready: ${detail}`);
      assert.equal(started.said().includes(SECRET), false);
      return reason!;
    } finally {
      await started.release();
    }
  }

  it('makes the tables that the plugins declare, keeps rows for the next start, and is the same store then', async () => {
    const first = await start(settings);
    await first.store.ready();
    await first.store.write((tx) => tx.table(things).insert({ id: ID, n: 7 }));
    assert.deepEqual(
      [first.store.kind, first.store.shared, await healthOf(first)],
      ['postgres', true, { status: 'up' }],
    );
    const { id } = first.store;
    await first.release();
    const second = await start(settings);
    assert.equal(second.store.id, id);
    assert.equal((await second.store.read((tx) => tx.table(things).get(ID)))?.n, 7);
    await second.release();
    assert.equal((await healthOf(second)).status, 'down');
  });

  it('is another store when an operator names a restored one anew', async () => {
    const before = await start(settings);
    await before.store.ready();
    const { id } = before.store;
    await before.release();
    await own.query(`UPDATE "tracker$meta" SET value = gen_random_uuid() WHERE key = 'store'`);
    const restored = await start(settings);
    await restored.store.ready();
    assert.notEqual(restored.store.id, id);
    await restored.release();
  });

  it('waits in production for the schema that an operator makes, says how, and goes on when it is there', async () => {
    const waiting = await start({ ...settings, environment: 'Production' });
    assert.match(waiting.reasons()[0]!, /tracker migrate apply/);
    assert.equal((await own.query("select 1 from pg_tables where tablename = 'things'")).length, 0);
    const operator = await setUp(plugin, { config: settings });
    const schema = operator.instance.provides.schemaMigrations;
    const declared = { tables: collected.tables, migrations: [] };
    await schema.apply(declared, { allowDestructive: false, signal: new AbortController().signal });
    await operator.release();
    await waiting.store.ready();
    await new Promise(setImmediate);
    assert.equal((await healthOf(waiting)).status, 'up');
    await waiting.release();
  });

  it('is not ready until its server is there, and survives its restart', async function () {
    const late = await ownPostgres(this);
    const at = { ...settings, host: late.host, port: late.port, database: 'postgres' };
    await late.stop();
    const started = await start(at);
    try {
      assert.match(started.reasons()[0]!, /nothing listens there; start it, or set POSTGRES_HOST and POSTGRES_PORT/);
      await late.start();
      await started.store.ready();
      await started.store.write((tx) => tx.table(things).insert({ id: ID, n: 7 }));
      await late.kill();
      assert.equal((await healthOf(started)).status, 'down');
      await assert.rejects(
        started.store.read((tx) => tx.table(things).get(ID)),
        { kind: 'unavailable' },
      );
      await late.start();
      assert.equal((await started.store.read((tx) => tx.table(things).get(ID)))?.n, 7);
      assert.equal((await healthOf(started)).status, 'up');
    } finally {
      await started.release();
      await late.close();
    }
  });

  it('says what is wrong in one line, without a secret', async () => {
    const refused = /refused the user or the password; set POSTGRES_USER, and POSTGRES_PASSWORD/;
    assert.match(await reasonFor({ password: SECRET }), refused);
    assert.match(await reasonFor({ user: 'not_there' }), refused);
    assert.match(await reasonFor({ password: '' }), /asks for a password; set POSTGRES_PASSWORD/);
    assert.match(
      await reasonFor({ database: 'not_there' }),
      /the database does not exist; create it, or set POSTGRES_DB/,
    );
    assert.match(await reasonFor({ host: 'no-such-host.invalid' }), /host .*set POSTGRES_HOST/);
    assert.match(await reasonFor({ ssl: { mode: 'require' } }), /offers no TLS; .*POSTGRES_SSL to off/);
  });

  it('says what a user lacks who may not make tables, and refuses calls for a reason that holds', async () => {
    const user = `limited_${own.name}`;
    await own.query(`create role "${user}" login password '${SECRET}'`);
    try {
      assert.match(
        await reasonFor({ user, password: SECRET }),
        /cannot create table .*: permission denied .*; let it own the tables, and grant it CREATE on their schema/,
      );
      const started = await start({ ...settings, user, password: SECRET });
      await assert.rejects(
        started.store.read(async () => {}),
        { kind: 'unavailable', message: 'the database is not ready yet' },
      );
      await started.release();
    } finally {
      await own.query(`drop role "${user}"`);
    }
  });

  it('says so where nothing may be written, and goes on when it may', async () => {
    await own.query(`alter database ${own.name} set default_transaction_read_only = on`);
    assert.match(await reasonFor({}), /^not ready: PostgreSQL is read only; connect to the primary server$/);
    const started = await start(settings);
    await own.query(`begin read write; alter database ${own.name} reset all; commit`);
    await started.store.ready();
    await started.release();
  });

  it('is unavailable, and says why to the operator alone, while a table, a right or its login is gone', async () => {
    const user = `lent_${own.name}`;
    await (await start(settings)).release();
    await own.query(`create role "${user}" login password '${SECRET}'`);
    await own.query(`grant select, insert on all tables in schema public to "${user}"`);
    const started = await start({ ...settings, user, password: SECRET });
    try {
      await started.store.ready();
      for (const [taken, given] of [
        ['alter table things rename to others', 'alter table others rename to things'],
        ['alter table things rename n to m', 'alter table things rename m to n'],
        [`revoke all on things from "${user}"`, `grant select, insert on things to "${user}"`],
        [
          `alter role "${user}" nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '${user}'`,
          `alter role "${user}" login`,
        ],
      ] as const) {
        await own.query(taken);
        // A backend that is to end still serves for a moment.
        const ending = `select 1 from pg_stat_activity where usename = '${user}'`;
        while (taken.includes('terminate') && (await own.query(ending)).length > 0);
        const refused = { kind: 'unavailable', message: /^the database does not/ };
        await assert.rejects(
          started.store.write((tx) => tx.table(things).insert({ id: ID, n: 7 })),
          refused,
          taken,
        );
        await assert.rejects(
          started.store.read((tx) => tx.table(things).get(ID)),
          refused,
          taken,
        );
        await own.query(given);
        assert.equal(await started.store.read((tx) => tx.table(things).get(ID)), undefined, given);
      }
      assert.ok(started.said().includes('PostgreSQL does not let the tracker do its work'));
    } finally {
      await started.release();
      await own.query(`drop owned by "${user}"; drop role "${user}"`);
    }
  });

  it('refuses a database that cannot hold every character', async () => {
    const name = `latin_${own.name}`;
    await own.query(`create database ${name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`);
    try {
      assert.match(
        await reasonFor({ database: name }),
        /has the encoding LATIN1; create it anew with ENCODING 'UTF8'$/,
      );
    } finally {
      await own.query(`drop database ${name}`);
    }
  });

  it('finds its schema as it made it where the server quotes every name', async () => {
    await own.query(`alter database ${own.name} set quote_all_identifiers = on`);
    for (const changes of [2, 0]) {
      const started = await start(settings);
      await started.store.ready();
      assert.deepEqual(started.reasons(), []);
      assert.equal(started.changes().length, changes);
      await started.release();
    }
  });

  it('says so when a server does not answer', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    assert.match(await reasonFor({ host: '127.0.0.1', port, timeoutsMs: { connect: 200 } }), /does not answer/);
    silent.close();
  });

  it('does not start with a certificate that cannot be read', async () => {
    const config = { ...settings, ssl: { mode: 'verify-full', caFile: '/not/there.pem' } };
    await assert.rejects(setUp(plugin, { config }), /POSTGRES_SSL_CA cannot be read: ENOENT/);
  });

  it('does not start with a file that holds no certificate, or a damaged one', async () => {
    const caFile = join(mkdtempSync(join(tmpdir(), 'tracker-ca-')), 'ca.pem');
    const config = { ...settings, ssl: { mode: 'verify-full', caFile } };
    for (const [text, says] of [
      ['', /^Error: the file of POSTGRES_SSL_CA holds no certificate \(PEM\)$/],
      ['dear diary', /POSTGRES_SSL_CA holds no certificate/],
      ['-----BEGIN CERTIFICATE-----\nZGVhcg==\n-----END CERTIFICATE-----\n', /POSTGRES_SSL_CA holds a .* damaged/],
    ] as const) {
      writeFileSync(caFile, text);
      await assert.rejects(setUp(plugin, { config }), says);
    }
    rmSync(dirname(caFile), { recursive: true });
  });

  it('does not start with two tables of one name, and says whose they are', async () => {
    const { instance, release } = await setUp(plugin, { config: settings });
    const twice = { ...collected, tables: [...collected.tables, { plugin: 'others', value: things }] };
    await assert.rejects(
      async () => instance.start(twice, new AbortController().signal),
      /'things' is contributed by 'things' and by 'others'/,
    );
    await release();
  });

  it('takes the certificate of the authority that it is given, and no other', async () => {
    const secure = await behindTls(server);
    const at = { host: 'localhost', port: secure.port };
    try {
      for (const ssl of [{ mode: 'require' }, { mode: 'verify-full', caFile: secure.caFile }]) {
        const started = await start({ ...settings, ...at, ssl });
        assert.deepEqual([started.reasons(), (await healthOf(started)).status], [[], 'up']);
        await started.release();
      }
      const full = { mode: 'verify-full', caFile: secure.caFile };
      assert.match(await reasonFor({ ...at, ssl: { mode: 'verify-full' } }), /known authority; set POSTGRES_SSL_CA/);
      assert.match(await reasonFor({ ...at, host: '127.0.0.1', ssl: full }), /for another host; set POSTGRES_HOST/);
    } finally {
      await secure.close();
    }
  });

  it('cancels by TLS too what nobody waits for any more, so that it holds no lock', async () => {
    // What does not begin by asking for TLS goes nowhere here.
    const secure = await behindTls(server);
    const started = await start({ ...settings, host: 'localhost', port: secure.port, ssl: { mode: 'require' } });
    const { store } = started;
    await store.write((tx) => tx.table(things).insert({ id: ID, n: 1 }));
    const locks = async () =>
      Number(
        (
          await own.query(
            "select count(*)::int as n from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'",
            [own.name],
          )
        )[0]?.['n'],
      );
    const waiting = new AbortController();
    await store.write(async (tx) => {
      await tx.table(things).lock(ID, 'update');
      const second = store.write((other) => other.table(things).lock(ID, 'update'), { signal: waiting.signal });
      while ((await locks()) === 0);
      waiting.abort();
      await assert.rejects(second, { kind: 'unavailable' });
      while ((await locks()) > 0);
    });
    await started.release();
    await secure.close();
  });
});

/** The server behind TLS as PostgreSQL speaks it, with a certificate for localhost that signs itself. */
async function behindTls({ host, port }: PostgresServer) {
  const folder = mkdtempSync(join(tmpdir(), 'tracker-tls-'));
  const [caFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', caFile], { stdio: 'pipe' });
  const certificate = { cert: readFileSync(caFile), key: readFileSync(keyFile) };
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    sockets.add(client);
    client.on('error', () => {});
    // The first message asks for TLS: 8 bytes, and S is yes.
    client.once('data', () => {
      client.write('S');
      const secured = new TLSSocket(client, { isServer: true, ...certificate });
      // Whichever ends first ends the other: one that refuses the certificate closes without an end.
      const upstream = connect(port, host);
      pipeline(secured, upstream, secured, () => {});
    });
  }).listen(0, 'localhost');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as { port: number }).port,
    caFile,
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
      rmSync(folder, { recursive: true });
    },
  };
}
