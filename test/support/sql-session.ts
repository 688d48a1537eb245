import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { tokens } from '../../core/lib/tokenizer.ts';
import type { Database, Session, SqlRow } from '../../plugins/storage-sql/database.ts';
import { SEARCH_COLUMN, tokensTable } from '../../plugins/storage-sql/physical.ts';
import { PostgresDatabase } from '../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../plugins/storage-sql/postgres/settings.ts';
import { encode } from '../../plugins/storage-sql/query/codec.ts';
import { createStatements } from '../../plugins/storage-sql/schema/ddl.ts';
import { SqliteDatabase } from '../../plugins/storage-sql/sqlite/database.ts';
import type { SqlDialect } from '../../plugins/storage-sql/statement.ts';
import { postgres } from './services/postgres.ts';

/** A database with tables in it, through its plugin's own connections: for tests of statements, without a store. */
export interface SqlSession extends Session {
  readonly dialect: SqlDialect;
  run(sql: string, parameters?: readonly unknown[]): Promise<readonly SqlRow[]>;
  /** Rows as the store would keep them. */
  insert(table: AnyTable, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  close(): Promise<void>;
}

type Opened = Pick<SqlSession, 'run' | 'close'>;

function over(database: Database, release: () => Promise<unknown>): Opened {
  const session = database.session(new AbortController().signal);
  return {
    run: (sql, parameters = []) => session.execute({ sql, parameters }),
    async close() {
      await database.close();
      await release();
    },
  };
}

async function openPostgres(context: Mocha.Context): Promise<Opened> {
  const database = await (await postgres(context)).createDatabase();
  const { variables } = database;
  const settings = postgresSettings.parse({
    host: variables['POSTGRES_HOST'],
    port: Number(variables['POSTGRES_PORT']),
    user: variables['POSTGRES_USER'],
    password: variables['POSTGRES_PASSWORD'],
    database: database.name,
    timeoutsMs: { statement: 120_000 },
  });
  return over(new PostgresDatabase(settings), () => database.drop());
}

async function openSqlite(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'sql-session-'));
  const settings = { path: join(folder, 'tracker.db'), synchronous: 'normal', readers: 1 } as const;
  return over(await SqliteDatabase.open(settings), () => rm(folder, { recursive: true }));
}

/** An empty database with these tables; skips the test where PostgreSQL is wanted and there is none. */
export async function sqlSession(
  context: Mocha.Context,
  dialect: SqlDialect,
  tables: readonly AnyTable[],
): Promise<SqlSession> {
  const { run, close } = dialect === 'postgres' ? await openPostgres(context) : await openSqlite();
  for (const table of tables) for (const { sql } of createStatements(dialect, table)) await run(sql);
  return {
    dialect,
    run,
    close,
    execute: ({ sql, parameters }) => run(sql, parameters),
    async insert(table, rows) {
      for (const row of rows) await insertRow({ dialect, run }, table, row);
    },
  };
}

async function insertRow(
  { dialect, run }: Pick<SqlSession, 'dialect' | 'run'>,
  table: AnyTable,
  row: Readonly<Record<string, unknown>>,
): Promise<void> {
  const values: Record<string, unknown> = { version: row['version'] ?? 1 };
  for (const name of Object.keys(table.columns))
    values[name] = encode(dialect, table.columns[name], (row[name] ?? null) as never);
  const found = tokens(table.searchable.map((name) => row[name] ?? '').join('\n'));
  const searched = table.searchable.length > 0;
  if (searched && dialect === 'postgres') values[SEARCH_COLUMN] = found;
  const put = (into: string, all: Readonly<Record<string, unknown>>) => {
    const names = Object.keys(all);
    const marks = names.map((name, i) =>
      dialect === 'sqlite' ? '?' : name === SEARCH_COLUMN ? `array_to_tsvector($${i + 1})` : `$${i + 1}`,
    );
    const list = names.map((name) => `"${name}"`).join(', ');
    return run(`INSERT INTO "${into}" (${list}) VALUES (${marks.join(', ')})`, Object.values(all));
  };
  await put(table.name, values);
  if (searched && dialect === 'sqlite')
    for (const token of found)
      await put(tokensTable(table), {
        $token: token,
        ...Object.fromEntries(table.primaryKey.map((name) => [name, values[name]])),
      });
}
