import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** Of the first column's kind: every project has issues of each status, priority and due date. */
const SELECTED = `'K-' || i, 'The form loses word' || (i % 20000), 'It happens on every second try', 'BUG',
  case (i / 500) % 4 when 0 then 'CRITICAL' when 1 then 'MAJOR' when 2 then 'IMPORTANT' else 'MINOR' end, (i / 500) % 4,
  case when (i / 100) % 5 = 0 then 'RESOLVED' else 'NEW' end, case when (i / 100) % 5 = 0 then 'FIXED' end,
  case when (i / 100) % 3 = 0 then 1800000000000000 + i * 1000000 end,
  1700000000000000 + i * 1000, 1700000000000000 + i * 1000, 1`;
const COLUMNS = `"id", "project_id", "number", "key", "summary", "description", "type", "priority", "priority_rank", "status",
  "resolution", "due_at", "created_at", "updated_at", "version"`;
/** Words that an issue is found by: one in twenty thousand has the first, each has the second. */
const WORDS = [`'word' || (i % 20000)`, `'form'`];

/** Fills the issues of an empty PostgreSQL with so many, without events: they are read, not changed. */
export async function fillPostgres(config: pg.ClientConfig, projectIds: readonly string[], count: number) {
  const client = new pg.Client(config);
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    await client.query(
      `INSERT INTO "issues" (${COLUMNS}, "$search")
       SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, ($1::uuid[])[i % $2 + 1], i, ${SELECTED},
         array_to_tsvector(array[${WORDS.join(', ')}]) FROM generate_series(1, ${count}::bigint) AS i`,
      [projectIds, projectIds.length],
    );
    await client.query('VACUUM ANALYZE "issues"');
  } finally {
    await client.end();
  }
}

/** The same in an SQLite file. */
export function fillSqlite(path: string, projectIds: readonly string[], count: number): void {
  const database = new DatabaseSync(path);
  const numbers = `(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n)`;
  const id = `printf('00000000-0000-7000-8000-%012x', i)`;
  try {
    database.exec('pragma synchronous = off; pragma cache_size = -262144; BEGIN IMMEDIATE');
    database
      .prepare(
        `INSERT INTO "issues" (${COLUMNS}) SELECT ${id}, json_extract(?, '$[' || (i % ${projectIds.length}) || ']'), i,
         ${SELECTED} FROM ${numbers}`,
      )
      .run(JSON.stringify(projectIds));
    for (const word of WORDS)
      database.exec(`INSERT INTO "issues$tokens" ("$token", "id") SELECT ${word}, ${id} FROM ${numbers}`);
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}
