import assert from 'node:assert/strict';
import { type OwnPostgres, ownPostgres, postgres } from '../../support/services/postgres.ts';

describe('the PostgreSQL of the tests', () => {
  it('gives each test an empty database, in which text orders by a language unless it is told otherwise', async function () {
    const server = await postgres(this);
    const [one, other] = [await server.createDatabase(), await server.createDatabase()];
    await one.query('create table t (s text)');
    await one.query("insert into t values ('b'), ('B'), ('a')");
    assert.deepEqual(await one.query('select s from t order by s'), [{ s: 'a' }, { s: 'b' }, { s: 'B' }]);
    assert.deepEqual(await one.query('select s from t order by s collate "C"'), [{ s: 'B' }, { s: 'a' }, { s: 'b' }]);
    await assert.rejects(other.query('select s from t'), /does not exist/);
    await one.drop();
    await other.drop();
  });

  describe('of one test', () => {
    let server: OwnPostgres;
    before(async function () {
      server = await ownPostgres(this, { max_connections: '20' });
    });
    after(() => server?.close());

    it('stops, is killed, starts again and keeps what was committed', async () => {
      const database = await server.createDatabase();
      await database.query('create table t (n int)');
      for (const [n, end] of [server.stop, server.kill].entries()) {
        await database.query('insert into t values ($1)', [n]);
        await end();
        await assert.rejects(database.query('select n from t'), /ECONNREFUSED/);
        await server.start();
      }
      assert.deepEqual(await database.query('select n from t'), [{ n: 0 }, { n: 1 }]);
      assert.deepEqual(await database.query('show max_connections'), [{ max_connections: '20' }]);
    });

    it('freezes, and goes on where it was', async () => {
      const database = await server.createDatabase();
      server.freeze();
      const answer = database.query('select 1 as n');
      const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 200, 'nothing'))]);
      assert.equal(first, 'nothing');
      server.thaw();
      assert.deepEqual(await answer, [{ n: 1 }]);
    });
  });
});
