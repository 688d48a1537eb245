import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../core/contracts/clock.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import type { Database } from '../../plugins/storage-sql/database.ts';
import { PostgresDatabase } from '../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../plugins/storage-sql/postgres/settings.ts';
import { createStatements } from '../../plugins/storage-sql/schema/ddl.ts';
import { SqliteDatabase } from '../../plugins/storage-sql/sqlite/database.ts';
import { settings as sqliteSettings } from '../../plugins/storage-sql/sqlite/settings.ts';
import type { SqlDialect, Statement } from '../../plugins/storage-sql/statement.ts';
import { SqlStore } from '../../plugins/storage-sql/store/sql-store.ts';
import type { PostgresServer, TestDatabase } from './services/postgres.ts';

/** A store on a database that nobody else uses. */
export interface OpenStore {
  readonly store: SqlStore;
  /** Without what `wrap` puts around it. */
  readonly database: Database;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly clock?: Clock;
  readonly poolSize?: number;
  /** What the store uses in place of the database. */
  readonly wrap?: (database: Database) => Database;
}

/** Opens a store that holds these tables, and nothing in them. */
export type OpenSqlStore = (tables: readonly AnyTable[], options?: OpenOptions) => Promise<OpenStore>;

async function opened(
  database: Database,
  tables: readonly AnyTable[],
  prepare: readonly Statement[],
  { clock, wrap = (same) => same }: OpenOptions,
): Promise<OpenStore> {
  const session = database.session(new AbortController().signal);
  for (const statement of prepare) await session.execute(statement);
  const store = new SqlStore({ kind: database.dialect, shared: database.shared, ...(clock ? { clock } : {}) });
  store.open(wrap(database), tables, uuidv7());
  return { store, database, close: () => store.close() };
}

const tablesOf = (dialect: SqlDialect, tables: readonly AnyTable[]): readonly Statement[] =>
  tables.flatMap((table) => createStatements(dialect, table));

export const openSqlite: OpenSqlStore = async (tables, options = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'tracker-sqlite-'));
  const database = await SqliteDatabase.open(sqliteSettings.parse({ path: join(folder, 'tracker.db') }));
  const store = await opened(database, tables, tablesOf('sqlite', tables), options);
  return {
    ...store,
    async close() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
};

/** In this database, whose tables are made by the first and emptied for every other: one store at a time, of the same tables. */
export function openPostgres(server: PostgresServer, { name }: TestDatabase): OpenSqlStore {
  const { host, port, user, password } = server;
  let isMade = false;
  return async (tables, options = {}) => {
    const names = tables.map((table) => `"${table.name}"`).join(', ');
    const prepare = isMade ? [{ sql: `TRUNCATE ${names}`, parameters: [] }] : tablesOf('postgres', tables);
    isMade = true;
    const { poolSize = 10 } = options;
    const settings = postgresSettings.parse({ host, port, user, password, database: name, poolSize });
    return opened(new PostgresDatabase(settings), tables, prepare, options);
  };
}
