import { clock } from '../../../core/contracts/clock.ts';
import { healthChecks } from '../../../core/contracts/health.ts';
import { type Declarations, dataMigrations, schemaMigrations } from '../../../core/contracts/migrations.ts';
import { store } from '../../../core/contracts/store.ts';
import { tables } from '../../../core/contracts/tables.ts';
import { definePlugin } from '../../../core/kernel/index.ts';
import type { Database, DatabaseError } from '../database.ts';
import { appliedAtStart, declarationsOf, transactOn } from '../schema/at-start.ts';
import { explain } from '../schema/explain.ts';
import { migratorOf } from '../schema/migrator.ts';
import { prepare } from '../schema/prepare.ts';
import { SchemaError } from '../schema/schema-error.ts';
import { SqlStore } from '../store/sql-store.ts';
import { PostgresDatabase } from './database.ts';
import { describe, faultOf } from './faults.ts';
import { Opening } from './opening.ts';
import { reach } from './reach.ts';
import { Refusals } from './refusals.ts';
import { postgresSettings } from './settings.ts';

/** How long the start waits for the first try to open the database, in milliseconds. */
const PATIENCE_MS = 10_000;

/** The store in PostgreSQL. The server starts before its database if need be, and is not ready until that is there. */
export default definePlugin({
  name: 'storage-postgres',
  kernel: '^1.0.0',
  optional: { clock },
  provides: { store, schemaMigrations },
  contributes: { healthChecks },
  collects: { tables, migrations: dataMigrations },
  config: postgresSettings,
  secrets: ['password'],
  setup({ config, deps, contribute, defer, log }) {
    const database = new PostgresDatabase(config);
    defer('connections', () => database.close());
    const refusals = new Refusals(log);
    const options = {
      kind: 'postgres',
      shared: true,
      ...(deps.clock ? { clock: deps.clock } : {}),
      listenerFailed: (error: unknown) => log.error({ err: error }, 'a listener of commits threw; the commit stands'),
      denied: (error: DatabaseError) => refusals.say(error),
    };
    const sql = new SqlStore(options);
    const transact = (on: Database) => transactOn(on, options);
    defer('store', () => sql.close());
    const where = { host: config.host, port: config.port, database: config.database, user: config.user };
    let declared: Declarations = { tables: [], migrations: [] };
    const opening = new Opening({
      async attempt(signal) {
        await reach(database, signal);
        const apply = appliedAtStart(config);
        const { storeId, applied, pending, ready } = await prepare(database, declared, {
          apply,
          transact: transact(database),
          signal,
        });
        if (!ready || storeId === undefined) throw new SchemaError(explain(pending));
        const held = declared.tables.map(({ value }) => value);
        sql.open(database, held, storeId);
        log.info({ ...where, changes: applied.steps.map(({ what }) => what) }, 'PostgreSQL is open');
      },
      explain: (error) => describe(faultOf(error)),
      failed: (reason) => log.warn(where, `not ready: ${reason}`),
    });
    defer('opening', () => opening.giveUp());
    contribute.healthChecks({
      component: 'db',
      type: sql.kind,
      required: true,
      async check(signal) {
        if (opening.reason !== undefined) return { status: 'down', detail: opening.reason };
        try {
          await database.ping(signal);
          return { status: 'up' };
        } catch (error) {
          return { status: 'down', detail: faultOf(error).what };
        }
      },
    });
    return {
      provides: {
        store: sql,
        schemaMigrations: migratorOf(async (signal) => {
          const own = new PostgresDatabase(config);
          try {
            await reach(own, signal);
            return own;
          } catch (error) {
            await own.close();
            throw new Error(describe(faultOf(error)), { cause: error });
          }
        }, transact),
      },
      async start(collected, signal) {
        declared = declarationsOf(collected);
        opening.begin();
        await opening.firstTry(PATIENCE_MS, signal);
      },
    };
  },
});
