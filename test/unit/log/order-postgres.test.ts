import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { changesTable, historyTable } from '../../../core/contracts/log.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { PostgresDatabase } from '../../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../../plugins/storage-sql/postgres/settings.ts';
import { createStatements } from '../../../plugins/storage-sql/schema/ddl.ts';
import { SqlStore } from '../../../plugins/storage-sql/store/sql-store.ts';
import { StreamTransport } from '../../../plugins/transport-stream/stream-transport.ts';
import { type PostgresServer, postgres, type TestDatabase } from '../../support/services/postgres.ts';
import { recordingLogger } from '../plugin-context.ts';
import { check, commit, micros, namesOf, randomOf, recorder, scopes, startLog } from './support.ts';

const tables = [scopes, changesTable, historyTable];

describe('the order of a log in PostgreSQL', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  before(async function () {
    server = await postgres(this);
    database = await server.createDatabase();
  });
  after(() => database?.drop());

  it('is that of the commits, with writers that are slow or roll back, and the one who makes it cut off and stopped', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`      seed ${seed}`);
    const random = randomOf(seed);
    const { host, port, user, password } = server;
    const id = uuidv7();
    const stores = [0, 1_000_000, -700_000].map((skew) => {
      const settings = postgresSettings.parse({ host, port, user, password, database: database.name, poolSize: 12 });
      const store = new SqlStore({ kind: 'postgres', shared: true, clock: { now: micros(skew) } });
      return { store, database: new PostgresDatabase(settings) };
    });
    const session = stores[0]!.database.session(new AbortController().signal);
    for (const table of tables)
      for (const statement of createStatements('postgres', table)) await session.execute(statement);
    for (const { store, database } of stores) store.open(database, tables, id);
    const instances = stores.map(({ store }) => store);
    const ids = Array.from({ length: 6 }, () => uuidv7()).sort();
    await instances[0]!.write(async (tx) => {
      for (const id of ids) await tx.table(scopes).insert({ id, revision: 0 });
    });

    const transport = new StreamTransport(recordingLogger());
    const start = async (instance: number) => {
      const started = await startLog(instances[instance]!, { pollMs: 50 }, transport);
      const heard = recorder();
      started.log.follow(heard.listener);
      return { ...started, heard };
    };
    // One follows to the end; of the others one makes the order, and is stopped, and another takes its place.
    const follower = await start(2);
    let others = [await start(0), await start(1)];
    const committed = new Set<string>();
    let running = 16;
    const write = async (writer: number) => {
      for (let n = 0; n < 20; n++) {
        const chosen = ids.filter(() => random(4) === 0);
        const names = namesOf(`${writer}-${n}`, 1 + random(4));
        const fail = random(5) === 0;
        const delay = random(4) === 0 ? random(15) : 0;
        const done = commit(instances[random(3)]!, chosen.length > 0 ? chosen : [ids[0]!], names, { fail, delay });
        if (fail) await assert.rejects(done, /rolled back/);
        else {
          await done;
          for (const name of names) committed.add(name);
        }
      }
      running -= 1;
    };
    const disturb = async () => {
      for (let n = 0; running > 0; n++) {
        await setTimeout(random(100));
        // The connections that hold leases, whoever has them.
        if (n % 2 === 0)
          await database.query(
            `SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
             WHERE datname = $1 AND locktype = 'advisory' AND granted`,
            [database.name],
          );
        else {
          const [first, second] = others;
          await first!.stop();
          others = [second!, await start(n % 4 === 1 ? 0 : 1)];
        }
      }
    };
    await Promise.all([disturb(), ...Array.from({ length: running }, (_, writer) => write(writer))]);
    await follower.heard.until(committed.size);
    check(follower.heard.batches, committed);
    for (const { stop } of [...others, follower]) await stop();
    for (const { store } of stores) await store.close();
  });
});
