import { clock } from '../../../core/contracts/clock.ts';
import { healthChecks } from '../../../core/contracts/health.ts';
import { dataMigrations, schemaMigrations } from '../../../core/contracts/migrations.ts';
import { store } from '../../../core/contracts/store.ts';
import { tables } from '../../../core/contracts/tables.ts';
import { definePlugin } from '../../../core/kernel/index.ts';
import type { Database } from '../database.ts';
import { appliedAtStart, declarationsOf, transactOn } from '../schema/at-start.ts';
import { explain } from '../schema/explain.ts';
import { prepare } from '../schema/prepare.ts';
import { SqlStore } from '../store/sql-store.ts';
import { SqliteDatabase } from './database.ts';
import { schemaOfFile } from './schema-of-file.ts';
import { settings } from './settings.ts';

export default definePlugin({
  name: 'storage-sqlite',
  kernel: '^1.0.0',
  optional: { clock },
  provides: { store, schema: schemaMigrations },
  contributes: { healthChecks },
  collects: { tables, migrations: dataMigrations },
  config: settings,
  setup({ config, deps, contribute, defer, log }) {
    const options = {
      kind: 'sqlite',
      shared: false,
      ...(deps.clock ? { clock: deps.clock } : {}),
      listenerFailed: (error: unknown) => log.error({ err: error }, 'a listener of commits threw; the commit stands'),
    };
    const sqlite = new SqlStore(options);
    const transact = (on: Database) => transactOn(on, options);
    let database: SqliteDatabase | undefined;
    defer('store', async () => {
      await sqlite.close();
      await database?.close();
    });
    contribute.healthChecks({
      component: 'db',
      type: sqlite.kind,
      required: true,
      async check(signal) {
        try {
          await database?.ping(signal);
          return { status: database ? 'up' : 'down' };
        } catch (error) {
          return { status: 'down', detail: (error as Error).message };
        }
      },
    });
    return {
      provides: { store: sqlite, schema: schemaOfFile(config, transact) },
      // What is wrong with the file here and now is for the operator, who reads why the start failed.
      async start(collected, signal) {
        const declared = declarationsOf(collected);
        database = await SqliteDatabase.open(config);
        const apply = appliedAtStart(config);
        const { ready, storeId, applied, pending } = await prepare(database, declared, {
          apply,
          transact: transact(database),
          signal,
        });
        if (!ready || storeId === undefined) throw new Error(explain(pending));
        const held = declared.tables.map(({ value }) => value);
        sqlite.open(database, held, storeId);
        log.info({ path: database.path, changes: applied.steps.map(({ what }) => what) }, 'SQLite is open');
      },
    };
  },
});
