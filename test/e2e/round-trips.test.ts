import assert from 'node:assert/strict';
import { healthChecks } from '../../core/contracts/health.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { definePlugin, type Plugin } from '../../core/kernel/index.ts';
import { PostgresDatabase } from '../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../plugins/storage-sql/postgres/settings.ts';
import { createStatements } from '../../plugins/storage-sql/schema/ddl.ts';
import { SqlStore } from '../../plugins/storage-sql/store/sql-store.ts';
import { type CountedTransaction, CountingDatabase } from '../support/counting-database.ts';
import { type PostgresServer, postgres, type TestDatabase } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

/** A store in this database, in place of storage-memdb, that counts what it asks. */
function countedStorage({ host, port, user, password }: PostgresServer, { name }: TestDatabase) {
  const inner = new PostgresDatabase(postgresSettings.parse({ host, port, user, password, database: name }));
  const database = new CountingDatabase(inner);
  const plugin: Plugin = definePlugin({
    name: 'storage-counted',
    kernel: '^1.0.0',
    provides: { store },
    contributes: { healthChecks },
    collects: { tables },
    setup({ defer, contribute }) {
      const sql = new SqlStore({ kind: 'postgres', shared: true });
      defer('store', () => sql.close());
      contribute.healthChecks({
        component: 'db',
        type: 'postgres',
        required: true,
        check: async () => ({ status: 'up' }),
      });
      return {
        provides: { store: sql },
        async start({ tables: collected }) {
          const declared = collected.map(({ value }) => value);
          const session = inner.session(new AbortController().signal);
          for (const table of declared)
            for (const statement of createStatements('postgres', table)) await session.execute(statement);
          sql.open(database, declared, '00000000-0000-7000-8000-000000000000');
        },
      };
    },
  });
  return { plugin, database };
}

describe('a call on PostgreSQL', () => {
  let tracker: Tracker;
  let database: CountingDatabase;
  let projectId: string;
  let testDatabase: TestDatabase;

  before(async function () {
    onlyOn(this, 'memdb', 'it opens the database that it counts itself');
    const server = await postgres(this);
    testDatabase = await server.createDatabase();
    const counted = countedStorage(server, testDatabase);
    database = counted.database;
    tracker = await startTracker({}, { replace: { 'storage-memdb': counted.plugin } });
    projectId = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body.project.id;
  });
  after(async () => {
    await tracker?.stop();
    await testDatabase?.drop();
  });

  /** The transaction that wrote issues: others give the events their order meanwhile. */
  const written = async (method: string, path: string, body: object): Promise<CountedTransaction> => {
    database.take();
    const { status } = await tracker.http(method, path, body, { 'idempotency-key': `${method}:${path}` });
    assert.equal(status, 200);
    const writes = database
      .take()
      .transactions.filter(({ statements }) => /"issues"/.test(statements.at(-1)?.sql ?? ''));
    assert.equal(writes.length, 1);
    assert.ok(writes[0]!.isCommitted);
    return writes[0]!;
  };

  it('creates an issue, its event, history, counts and kept answer in two round trips, BEGIN and COMMIT among them', async () => {
    const { statements, roundTrips } = await written('POST', '/v1/issues', { projectId, summary: 'One' });
    assert.equal(roundTrips, 2);
    const last = statements.at(-1)!.sql;
    for (const table of ['project_scopes', 'issues', 'changes', 'history', 'idempotent_answers'])
      assert.match(last, new RegExp(`(INSERT INTO|UPDATE) "${table}"`));
    assert.equal(statements.length, 4, 'its scope, its project, the workflow, and all that is written');
  });

  it('changes an issue in three: its project is locked first, then the issue itself, then all is written', async () => {
    const { statements, roundTrips } = await written('PATCH', '/v1/issues/CORE-1', { summary: 'Two' });
    assert.ok(roundTrips <= 3, `${roundTrips}`);
    assert.equal(statements.filter(({ sql }) => /FOR (UPDATE|SHARE)/.test(sql)).length, 3);
  });
});
