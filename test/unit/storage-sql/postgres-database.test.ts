import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import {
  type Database,
  DatabaseError,
  type DatabaseErrorKind,
  type Transaction,
} from '../../../plugins/storage-sql/database.ts';
import { PostgresDatabase } from '../../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../../plugins/storage-sql/postgres/settings.ts';
import type { Statement } from '../../../plugins/storage-sql/statement.ts';
import { ownPostgres, type PostgresServer, postgres, type TestDatabase } from '../../support/services/postgres.ts';

const POOL = 4;
const never = new AbortController().signal;
const sql = (text: string, ...parameters: readonly unknown[]): Statement => ({ sql: text, parameters });
const times = <T>(n: number, make: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const fails = (promise: Promise<unknown>, kind: DatabaseErrorKind) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof DatabaseError);
    assert.equal(error.kind, kind, error.message);
    return true;
  });

const settingsOf = (server: PostgresServer, database: string, more: object = {}) =>
  postgresSettings.parse({
    host: server.host,
    port: server.port,
    user: server.user,
    password: server.password,
    database,
    poolSize: POOL,
    ...more,
  });

const begin = (database: Database, mode: 'read' | 'write' = 'write', signal = never) => database.begin(mode, signal);
const one = async (session: { execute: Transaction['execute'] }, statement: Statement) =>
  (await session.execute(statement))[0]!;
const pidOf = async (transaction: Transaction) =>
  (await one(transaction, sql('select pg_backend_pid() as pid')))['pid'];

describe('PostgreSQL as a database of the store', () => {
  let server: PostgresServer;
  let own: TestDatabase;
  let database: PostgresDatabase;

  before(async function () {
    server = await postgres(this);
  });
  beforeEach(async () => {
    own = await server.createDatabase();
    await own.query(
      'create table item (id int primary key, n bigint not null, name text, constraint item__name unique (name))',
    );
    await own.query('insert into item select i, 0 from generate_series(1, 10) i');
    database = new PostgresDatabase(settingsOf(server, own.name));
  });
  afterEach(async () => {
    await database.close();
    await own.drop();
  });

  /** Every connection of the pool can be had at once, and works. */
  async function allSlotsWork() {
    const held = await times(POOL, () => begin(database));
    assert.equal(new Set(await Promise.all(held.map(pidOf))).size, POOL);
    await Promise.all(held.map((transaction) => transaction.rollback()));
  }
  const stored = async (id: number) => (await own.query('select n from item where id = $1', [id]))[0]!['n'];
  /** Settles when this many backends are as the condition says. */
  async function backends(count: number, condition: string) {
    const text = `select count(*)::int as n from pg_stat_activity where datname = $1 and pid <> pg_backend_pid() and ${condition}`;
    while ((await own.query(text, [own.name]))[0]!['n'] !== count);
  }

  it('gives numbers and booleans as they are, and everything else as text', async () => {
    const row = await one(
      database.session(never),
      sql(
        `select 9007199254740991::bigint as safe, 9007199254740993::bigint as large, 1.5::float8 as float, true as yes,
           count(*) as count, '{"a":1}'::json as json, '0191F2A0-0000-7000-8000-000000000000'::uuid as uuid,
           '2026-01-01'::date as date, null as nothing from item`,
      ),
    );
    assert.deepEqual(row, {
      safe: 9007199254740991,
      large: 9007199254740993n,
      float: 1.5,
      yes: true,
      count: 10,
      json: '{"a":1}',
      uuid: '0191f2a0-0000-7000-8000-000000000000',
      date: '2026-01-01',
      nothing: null,
    });
  });

  it('stores a transaction with its commit, and nothing of one that is rolled back', async () => {
    const kept = await begin(database);
    await kept.execute(sql('update item set n = 1 where id = 1'));
    assert.equal(await stored(1), '0');
    await kept.commit();
    assert.equal(await stored(1), '1');
    const dropped = await begin(database);
    await dropped.execute(sql('update item set n = 2 where id = 1'));
    await dropped.rollback();
    assert.equal(await stored(1), '1');
    await fails(dropped.execute(sql('select 1')), 'failed');
    await fails(kept.commit(), 'failed');
  });

  it('reads one snapshot, and only reads, in a transaction that reads', async () => {
    const reader = await begin(database, 'read');
    assert.equal((await one(reader, sql('select n from item where id = 1')))['n'], 0);
    await own.query('update item set n = 5 where id = 1');
    assert.equal((await one(reader, sql('select n from item where id = 1')))['n'], 0);
    await fails(reader.execute(sql('update item set n = 6 where id = 1')), 'unavailable');
    await reader.rollback();
  });

  it('reads what was committed meanwhile in a transaction that writes, whatever the default of the database', async () => {
    await own.query(`alter database ${own.name} set default_transaction_isolation = 'serializable'`);
    const writer = await begin(database);
    assert.equal((await one(writer, sql('select n from item where id = 1')))['n'], 0);
    await own.query('update item set n = 5 where id = 1');
    assert.equal((await one(writer, sql('select n from item where id = 1')))['n'], 5);
    await writer.commit();
  });

  it('runs statements that are given together in the order of the calls, and without waiting for each other', async () => {
    const transaction = await begin(database);
    const statements = Array.from({ length: 20 }, () =>
      transaction.execute(sql('update item set n = n + 1 where id = $1 returning n', 1)),
    );
    const rows = (await Promise.all(statements)).map(([row]) => row!['n']);
    assert.deepEqual(
      rows,
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    await transaction.commit();
    assert.equal(await stored(1), '20');
  });

  it('asks the server for nothing where a transaction runs no statement', async () => {
    const transaction = await begin(database);
    const [row] = await own.query('select state from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()', [
      own.name,
    ]);
    assert.equal(row?.['state'], 'idle');
    await transaction.commit();
    await allSlotsWork();
  });

  it('refuses a commit after a statement that failed, and stores nothing', async () => {
    const transaction = await begin(database);
    await transaction.execute(sql('update item set n = 1 where id = 1'));
    await fails(transaction.execute(sql('select 1 / 0')), 'failed');
    await fails(transaction.commit(), 'failed');
    assert.equal(await stored(1), '0');
    await allSlotsWork();
  });

  it('takes a COMMIT behind statements that were not waited for, and stores all of them or none', async () => {
    const together = async (...texts: readonly string[]) => {
      const transaction = await begin(database);
      const ends = [...texts.map((text) => transaction.execute(sql(text))), transaction.commit()];
      return (await Promise.allSettled(ends)).map(({ status }) => status);
    };
    const add = 'update item set n = n + 1 where id = 1';
    assert.deepEqual(await together(add, add), ['fulfilled', 'fulfilled', 'fulfilled']);
    assert.equal(await stored(1), '2');
    assert.deepEqual(await together(add, 'select 1 / 0', add), ['fulfilled', 'rejected', 'rejected', 'rejected']);
    assert.equal(await stored(1), '2');
    await allSlotsWork();
  });

  it('takes the last statements with its COMMIT, and tells which of them was refused', async () => {
    const insert = (id: number, name: string) => sql('insert into item values ($1, 0, $2)', id, name);
    await (await begin(database)).commit([insert(30, 'a'), insert(31, 'b')]);
    const second = await begin(database);
    await second.execute(sql('update item set n = 5 where id = 30'));
    await assert.rejects(second.commit([insert(32, 'c'), insert(33, 'b')]), { kind: 'unique', index: 'item__name' });
    assert.deepEqual(await own.query('select id, n from item where id >= 30 order by id'), [
      { id: 30, n: '0' },
      { id: 31, n: '0' },
    ]);
    await allSlotsWork();
  });

  it('ends the last statements when it is called off, and nothing later on their connection', async () => {
    const holder = await begin(database);
    await holder.execute(sql('select 1 from item where id = 1 for update'));
    const controller = new AbortController();
    const waiter = await begin(database, 'write', controller.signal);
    const pid = await pidOf(waiter);
    const end = fails(waiter.commit([sql('update item set n = 1 where id in (1, 2)')]), 'unavailable');
    await backends(1, `wait_event_type = 'Lock'`);
    controller.abort();
    await end;
    await holder.rollback();
    assert.deepEqual([await stored(1), await stored(2)], ['0', '0']);
    const held = await times(POOL, () => begin(database));
    assert.ok(!(await Promise.all(held.map(pidOf))).includes(pid));
    await Promise.all(held.map((transaction) => transaction.rollback()));
  });

  it('does not know what was stored when the connection is lost with the last statements and COMMIT on it', async () => {
    const cut = await cuttingProxy(server);
    const through = new PostgresDatabase({ ...settingsOf(server, own.name), host: '127.0.0.1', port: cut.port });
    const transaction = await begin(through);
    await transaction.execute(sql('select 1'));
    cut.whenSent('commit');
    await fails(transaction.commit([sql('update item set n = 1 where id = 1')]), 'unknown');
    await through.ping(never);
    await through.close();
    await cut.close();
  });

  it('names the unique index that refused a row', async () => {
    const insert = (id: number) => database.session(never).execute(sql('insert into item values ($1, 0, $2)', id, 'x'));
    await insert(20);
    await assert.rejects(insert(21), { kind: 'unique', table: 'item', index: 'item__name' });
    await assert.rejects(insert(20), { kind: 'unique', table: 'item', index: 'item_pkey' });
  });

  it('says that a deadlock may be tried again', async () => {
    const [a, b] = [await begin(database), await begin(database)];
    await a.execute(sql('select 1 from item where id = 1 for update'));
    await b.execute(sql('select 1 from item where id = 2 for update'));
    const outcomes = await Promise.allSettled([
      a.execute(sql('select 1 from item where id = 2 for update')).finally(() => a.rollback()),
      b.execute(sql('select 1 from item where id = 1 for update')).finally(() => b.rollback()),
    ]);
    const reasons = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.kind] : []));
    assert.deepEqual(reasons, ['retry']);
    await allSlotsWork();
  });

  it('tries a prepared statement again on another connection when its table has changed', async () => {
    const all = sql('select * from item where id = $1', 1);
    for (let i = 0; i < 10; i++) await database.session(never).execute(all);
    await own.query('alter table item add column more text');
    await fails(database.session(never).execute(all), 'retry');
    assert.equal('more' in (await one(database.session(never), all)), true);
  });

  it('loses no connection of the pool when 50 are lost in mid-transaction', async () => {
    for (let round = 0; round < 13; round++) {
      const transactions = await times(POOL, () => begin(database));
      for (const [i, transaction] of transactions.entries()) {
        await transaction.execute(sql('update item set n = n + 1 where id = $1', i + 1));
      }
      const pids = await Promise.all(transactions.map(pidOf));
      // One is in the middle of a statement, the others between two.
      const sleeping = assert.rejects(transactions[0]!.execute(sql('select pg_sleep(60)')));
      await own.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids]);
      await sleeping;
      await Promise.all(
        transactions.map(async (transaction, i) => {
          await assert.rejects(i % 2 ? transaction.commit() : transaction.execute(sql('select 1')));
          await transaction.rollback();
        }),
      );
    }
    assert.equal(await stored(1), '0');
    await allSlotsWork();
  });

  it('gives the connections back that the server lost while they were idle', async () => {
    await allSlotsWork();
    await own.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
      [own.name],
    );
    // Each tells its client before it is gone.
    await backends(0, 'true');
    await allSlotsWork();
  });

  it('ends the wait for a connection after its time, and when it is called off', async () => {
    const impatient = new PostgresDatabase(
      settingsOf(server, own.name, { poolSize: 2, timeoutsMs: { acquire: 2_000 } }),
    );
    const held = [await begin(impatient), await begin(impatient)];
    await fails(begin(impatient), 'unavailable');
    const controller = new AbortController();
    const waits = [
      begin(impatient, 'write', controller.signal),
      impatient.session(controller.signal).execute(sql('select 1')),
    ];
    controller.abort();
    await Promise.all(waits.map((waiting) => fails(waiting, 'unavailable')));
    await Promise.all(held.map((transaction) => transaction.rollback()));
    await impatient.ping(never);
    await impatient.close();
  });

  it('cancels what runs when it is called off, and the server forgets its locks', async () => {
    const holder = await begin(database);
    await holder.execute(sql('select 1 from item where id = 1 for update'));
    const controller = new AbortController();
    const waiter = await begin(database, 'write', controller.signal);
    await waiter.execute(sql('select 1 from item where id = 2 for update'));
    const ends = [
      fails(waiter.execute(sql('select 1 from item where id = 1 for update')), 'unavailable'),
      fails(database.session(controller.signal).execute(sql('update item set n = 1 where id = 1')), 'unavailable'),
    ];
    await backends(2, `wait_event_type = 'Lock'`);
    controller.abort();
    await Promise.all(ends);
    await fails(waiter.commit(), 'unavailable');
    // The lock on 2 is free, though 1 is held.
    await database.session(never).execute(sql('update item set n = 7 where id = 2'));
    await backends(0, `wait_event_type = 'Lock'`);
    await holder.rollback();
    await allSlotsWork();
    assert.equal(await stored(1), '0');
  });

  it('ends a transaction that is called off between two statements, and keeps its connection', async () => {
    const controller = new AbortController();
    const transaction = await begin(database, 'write', controller.signal);
    const pid = await pidOf(transaction);
    await transaction.execute(sql('update item set n = 1 where id = 1'));
    controller.abort();
    await fails(transaction.execute(sql('select 1')), 'unavailable');
    await transaction.rollback();
    assert.equal(await stored(1), '0');
    const next = await begin(database);
    assert.equal(await pidOf(next), pid);
    await next.rollback();
  });

  it('does not know what was stored when the connection is lost during COMMIT', async () => {
    const cut = await cuttingProxy(server);
    const through = new PostgresDatabase({ ...settingsOf(server, own.name), host: '127.0.0.1', port: cut.port });
    const transaction = await begin(through);
    await transaction.execute(sql('update item set n = 1 where id = 1'));
    cut.whenSent('commit');
    await fails(transaction.commit(), 'unknown');
    const reader = await begin(through, 'read');
    await reader.execute(sql('select 1'));
    cut.whenSent('commit');
    await fails(reader.commit(), 'unavailable');
    await through.ping(never);
    await through.close();
    await cut.close();
  });

  it('knows that nothing was stored when the connection was lost before COMMIT', async () => {
    const transaction = await begin(database);
    const pid = await pidOf(transaction);
    await own.query('select pg_terminate_backend($1)', [pid]);
    await assert.rejects(transaction.execute(sql('select 1')));
    await fails(transaction.commit(), 'unavailable');
  });

  it('closes while transactions are open and statements run, and refuses everything afterwards', async () => {
    const idle = await begin(database);
    await idle.execute(sql('select 1'));
    const running = (await begin(database)).execute(sql('select pg_sleep(60)'));
    const single = database.session(never).execute(sql('select pg_sleep(60)'));
    const ends = [fails(running, 'unavailable'), fails(single, 'unavailable')];
    await database.close();
    await Promise.all(ends);
    await fails(idle.execute(sql('select 1')), 'unavailable');
    await fails(begin(database), 'unavailable');
    await fails(database.ping(never), 'unavailable');
    await backends(0, 'true');
  });

  it("works again after the server's restart", async function () {
    const restarted = await ownPostgres(this);
    const survivor = new PostgresDatabase(settingsOf(restarted, 'postgres'));
    try {
      const open = await begin(survivor);
      await open.execute(sql('select 1'));
      await restarted.stop();
      await assert.rejects(open.execute(sql('select 1')));
      await open.rollback();
      await fails(begin(survivor), 'unavailable');
      await restarted.start();
      const held = await times(POOL, () => begin(survivor));
      await Promise.all(held.map(pidOf));
      await Promise.all(held.map((transaction) => transaction.commit()));
    } finally {
      await survivor.close();
      await restarted.close();
    }
  });

  it('closes within its time when the server does not answer', async function () {
    const frozen = await ownPostgres(this);
    const stuck = new PostgresDatabase(settingsOf(frozen, 'postgres'));
    try {
      const transaction = await begin(stuck);
      await transaction.execute(sql('select 1'));
      await frozen.freeze();
      const waiting = assert.rejects(transaction.execute(sql('select 1')));
      await stuck.close();
      await waiting;
    } finally {
      await frozen.thaw();
      await frozen.close();
    }
  });
});

/** A proxy that cuts both sides when the client sends a text; the server still gets it. */
async function cuttingProxy(server: PostgresServer) {
  let text: string | undefined;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(server.port, server.host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (text !== undefined && chunk.includes(text)) {
        text = undefined;
        upstream.end(chunk);
        client.destroy();
      } else upstream.write(chunk);
    });
    upstream.on('data', (chunk) => client.write(chunk));
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as { port: number }).port,
    whenSent(what: string) {
      text = what;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
