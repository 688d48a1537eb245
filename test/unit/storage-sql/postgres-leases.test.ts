import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PostgresDatabase } from '../../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../../plugins/storage-sql/postgres/settings.ts';
import { ownPostgres, type PostgresServer, postgres, type TestDatabase } from '../../support/services/postgres.ts';

const instanceOf = ({ host, port, user, password }: PostgresServer, database: string) =>
  new PostgresDatabase(postgresSettings.parse({ host, port, user, password, database, poolSize: 2 }));
const times = <T>(n: number, make: () => Promise<T>) => Promise.all(Array.from({ length: n }, make));

/** Takes the lease, and holds it until it is told to let go or loses it. */
async function hold(instance: PostgresDatabase, name: string) {
  const release = Promise.withResolvers<void>();
  const held = Promise.withResolvers<AbortSignal>();
  const ended = instance.lease(
    name,
    async (signal) => {
      held.resolve(signal);
      signal.addEventListener('abort', () => release.resolve());
      await release.promise;
    },
    {},
  );
  ended.catch(held.reject);
  return { signal: await held.promise, release: release.resolve, ended };
}

/** Ends those who hold a lock in this database: others may test on the same server. */
const endHolders = ({ name, query }: TestDatabase) =>
  query(
    `select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = pg_locks.database
     where datname = $1 and locktype = 'advisory' and granted`,
    [name],
  );

describe('leases in PostgreSQL', () => {
  let server: PostgresServer;
  let own: TestDatabase;
  let one: PostgresDatabase;
  let other: PostgresDatabase;

  before(async function () {
    server = await postgres(this);
  });
  beforeEach(async () => {
    own = await server.createDatabase();
    [one, other] = [instanceOf(server, own.name), instanceOf(server, own.name)];
  });
  afterEach(async () => {
    await Promise.all([one.close(), other.close()]);
    await own.drop();
  });

  it('have one holder among all instances', async () => {
    let holders = 0;
    const turn = async () => {
      assert.equal(++holders, 1);
      await own.query('select 1');
      holders--;
    };
    await Promise.all([times(12, () => one.lease('name', turn, {})), times(12, () => other.lease('name', turn, {}))]);
    const holder = await hold(one, 'name');
    const never = async () => assert.fail('it ran');
    assert.equal(await other.lease('name', never, { wait: false }), undefined);
    assert.equal(await other.lease('another name', async () => 'ran', { wait: false }), 'ran');
    holder.release();
    await holder.ended;
    assert.equal(await other.lease('name', async () => 'ran', { wait: false }), 'ran');
  });

  it('come to another instance though many of the first stand in line', async () => {
    const order: string[] = [];
    const holder = await hold(one, 'name');
    const line = times(60, () => one.lease('name', async () => void order.push('one'), {}));
    const waiting = other.lease('name', async () => void order.push('other'), {});
    // Its first try has failed: from now on it polls.
    await other.ping(new AbortController().signal);
    holder.release();
    await Promise.all([line, waiting]);
    assert.ok(order.indexOf('other') < 59, 'the other instance was last');
  });

  it('are given up where the wait for one was called off just before it came', async () => {
    await one.lease('another name', async () => {}, {});
    const called = new AbortController();
    const waiting = one.lease('name', async () => assert.fail('it ran'), { signal: called.signal });
    // The server is being asked.
    called.abort();
    await assert.rejects(waiting, { kind: 'unavailable' });
    assert.equal(await other.lease('name', async () => 'ran', { wait: false }), 'ran');
  });

  it('are taken from a holder whose connection is lost, who is told, and given to the next', async () => {
    const holder = await hold(one, 'name');
    const waiting = hold(other, 'name');
    const aborted = once(holder.signal, 'abort');
    await endHolders(own);
    await aborted;
    await holder.ended;
    const next = await waiting;
    assert.equal(next.signal.aborted, false);
    next.release();
    await next.ended;
    assert.equal(await one.lease('name', async () => 'ran', {}), 'ran');
  });

  it('are asked for anew by the next in line where the connection was lost', async () => {
    const holder = await hold(one, 'name');
    const waiting = hold(one, 'name');
    await endHolders(own);
    await holder.ended;
    const next = await waiting;
    assert.equal(next.signal.aborted, false);
    next.release();
    await next.ended;
  });

  it('are waited for while the server is away, and given when it is back', async function () {
    const restarted = await ownPostgres(this);
    const instance = instanceOf(restarted, 'postgres');
    try {
      const holder = await hold(instance, 'name');
      await restarted.kill();
      await holder.ended;
      assert.equal(holder.signal.aborted, true);
      await assert.rejects(
        instance.lease('name', async () => {}, { wait: false }),
        { kind: 'unavailable' },
      );
      const waiting = hold(instance, 'name');
      await restarted.start();
      const next = await waiting;
      next.release();
      await next.ended;
    } finally {
      await instance.close();
      await restarted.close();
    }
  });

  it('end for holders and for those who wait when the database is closed', async () => {
    const holder = await hold(one, 'name');
    const waiting = assert.rejects(
      one.lease('name', async () => assert.fail('it ran'), {}),
      { kind: 'unavailable' },
    );
    await one.close();
    await Promise.all([waiting, holder.ended]);
    assert.equal(holder.signal.aborted, true);
    assert.equal(await other.lease('name', async () => 'ran', {}), 'ran');
  });
});
