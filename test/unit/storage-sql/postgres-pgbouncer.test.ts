import assert from 'node:assert/strict';
import pg from 'pg';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { defineTable, int64, uuid } from '../../../core/contracts/tables.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import plugin from '../../../plugins/storage-sql/postgres/plugin.ts';
import { pgBouncer } from '../../support/services/pgbouncer.ts';
import { type PostgresServer, postgres, type TestDatabase } from '../../support/services/postgres.ts';
import { setUp } from '../plugin-context.ts';

const things = defineTable({ name: 'things', columns: { id: uuid(), n: int64() }, primaryKey: ['id'] });

describe('storage-postgres behind PgBouncer', () => {
  let server: PostgresServer;
  let own: TestDatabase;

  beforeEach(async function () {
    server = await postgres(this);
    own = await server.createDatabase();
  });
  afterEach(() => own?.drop());

  async function start(port: number) {
    const { host, user, password } = server;
    const made = await setUp(plugin, { config: { host, port, user, password, database: own.name } });
    await made.instance.start(
      { tables: [{ plugin: 'things', value: things }], migrations: [] },
      new AbortController().signal,
    );
    const check = made.contributed.get('healthChecks')![0] as HealthCheck;
    return {
      store: made.instance.provides.store as Store,
      health: () => check.check(AbortSignal.timeout(30_000)),
      reasons: () => made.log.lines.flatMap(({ level, message }) => (level === 'warn' ? [message] : [])),
      release: made.release,
    };
  }

  it('serves in session mode: transactions, what is prepared, leases', async function () {
    const bouncer = await pgBouncer(this, server, { mode: 'session' });
    const [one, other] = [await start(bouncer.port), await start(bouncer.port)];
    // More often than what makes a statement a prepared one, on several connections.
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => one.store.write((tx) => tx.table(things).insert({ id: uuidv7(), n }))),
    );
    assert.equal(await other.store.read((tx) => tx.table(things).count({})), 40);
    await one.store.lease('a', async () => {
      assert.equal(await other.store.lease('a', async () => 'got', { wait: false }), undefined);
    });
    assert.equal(await other.store.lease('a', async () => 'got', { wait: false }), 'got');
    // A call that is cancelled while its last statements wait is no trouble to others.
    const holder = new pg.Client({ ...server, database: own.name });
    await holder.connect();
    await holder.query('begin');
    await holder.query('lock table things in exclusive mode');
    const waiting = new AbortController();
    const insert = { id: uuidv7(), n: 40 };
    const second = other.store.write((tx) => tx.table(things).insert(insert), { signal: waiting.signal });
    const locks = "select from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'";
    while ((await own.query(locks, [own.name])).length === 0);
    waiting.abort();
    await assert.rejects(second, { kind: 'unavailable' });
    await holder.end();
    assert.equal(await other.store.read((tx) => tx.table(things).count({})), 40);
    assert.deepEqual([one.reasons(), other.reasons(), (await one.health()).status], [[], [], 'up']);
    for (const started of [one, other]) await started.release();
    await bouncer.close();
  });

  for (const [what, options, says] of [
    [
      'in transaction mode',
      { mode: 'transaction' },
      "a pooler in front of PostgreSQL gives each transaction another connection; set pool_mode of PgBouncer to session, or POSTGRES_HOST and POSTGRES_PORT to PostgreSQL's own",
    ],
    [
      'that does not take what its connections begin with',
      { mode: 'session', ignoring: false },
      "PostgreSQL, or a pooler in front of it, refused the connection; look at its log; PgBouncer's ignore_startup_parameters stand in docs/guides/databases.md",
    ],
  ] as const)
    it(`is not ready with one ${what}, and says so in one line`, async function () {
      const bouncer = await pgBouncer(this, server, options);
      const { store, health, reasons, release } = await start(bouncer.port);
      assert.deepEqual(await health(), { status: 'down', detail: says });
      await assert.rejects(
        store.read(async () => {}),
        { kind: 'unavailable' },
      );
      assert.deepEqual(reasons(), [`not ready: ${says}`]);
      await release();
      await bouncer.close();
    });
});
