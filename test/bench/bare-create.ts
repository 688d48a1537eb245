import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type pg from 'pg';
import { tokens as tokensOf } from '../../core/lib/tokenizer.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import type { NewIssue } from '../../plugins/issue/writes.ts';

/*
 * CreateIssue as who writes it by hand for one database would: the issue, its event, its history and the project's counts,
 * in the tracker's own tables with all their indexes. No rule of the workflow is looked at, and nothing gives the event its
 * place in the order of the log.
 */

const ISSUE =
  '"id", "project_id", "number", "key", "summary", "description", "type", "priority", "priority_rank", "status", ' +
  '"resolution", "due_at", "created_at", "updated_at", "version"';
const CHANGE =
  '"id", "transaction", "scope", "revision", "ordinal", "time", "entity", "entity_id", "kind", "fields", "after", "version"';
const HISTORY =
  '"id", "entity", "entity_id", "scope", "revision", "ordinal", "time", "kind", "fields", "after", "version"';
const FIELDS = JSON.stringify(['key', 'project_id', 'summary', 'description', 'type', 'priority', 'status']);

const COUNT =
  'UPDATE "project_scopes" SET "revision" = "revision" + 1, "last_number" = "last_number" + 1, ' +
  '"issue_count" = "issue_count" + 1, "open_issue_count" = "open_issue_count" + 1';
const COUNTED = 'RETURNING "key", "revision", "last_number"';

/** The first of two statements: counts, where there is the project. */
const COUNT_POSTGRES = {
  name: 'count',
  text:
    'WITH "project" AS (SELECT "id" FROM "projects" WHERE "id" = $1 FOR SHARE) ' +
    `${COUNT}, "$time" = $2 FROM "project" WHERE "project_scopes"."id" = "project"."id" ${COUNTED}`,
};
/** The second: writes. */
const WRITE_POSTGRES = {
  name: 'write',
  text:
    `WITH "i" AS (INSERT INTO "issues" (${ISSUE}, "$search") ` +
    "VALUES ($1, $2, $3, $4, $5, $6, 'BUG', $7, 0, $8, $9, $10, $11, $11, 1, array_to_tsvector($12::text[]))), " +
    `"c" AS (INSERT INTO "changes" (${CHANGE}) ` +
    "VALUES ($13, $13, $14, $15, 0, $11, 'issue', $1::text, 'CREATED', $16, $17, 1)) " +
    `INSERT INTO "history" (${HISTORY}) VALUES ($13, 'issue', $1::text, $14, $15, 0, $11, 'CREATED', $16, $18, 1)`,
};
/** Both in one, without BEGIN and COMMIT. */
const ALL_POSTGRES = {
  name: 'all',
  text:
    'WITH "project" AS (SELECT "id" FROM "projects" WHERE "id" = $2 FOR SHARE), ' +
    `"s" AS (${COUNT}, "$time" = $9 FROM "project" WHERE "project_scopes"."id" = "project"."id" ${COUNTED}), ` +
    `"i" AS (INSERT INTO "issues" (${ISSUE}, "$search") ` +
    `SELECT $1, $2, "last_number", "key" || '-' || "last_number", $3, $4, 'BUG', $5, 0, $6, $7, $8, $9, $9, 1, ` +
    'array_to_tsvector($10::text[]) FROM "s" RETURNING *), ' +
    `"c" AS (INSERT INTO "changes" (${CHANGE}) SELECT $11, $11, $12, "s"."revision", 0, $9, 'issue', $1::text, 'CREATED', $13, ` +
    `json_build_object('id', "i"."id", 'project_id', "i"."project_id", 'number', "i"."number", 'key', "i"."key", ` +
    `'summary', "i"."summary", 'description', "i"."description", 'type', "i"."type", 'priority', "i"."priority", ` +
    `'priority_rank', "i"."priority_rank", 'status', "i"."status", 'resolution', "i"."resolution", ` +
    `'due_at', "i"."due_at", 'created_at', "i"."created_at", 'updated_at', "i"."updated_at", 'version', "i"."version"), 1 ` +
    'FROM "s", "i") ' +
    `INSERT INTO "history" (${HISTORY}) SELECT $11, 'issue', $1::text, $12, "revision", 0, $9, 'CREATED', $13, $14, 1 FROM "s"`,
};

interface Counted {
  readonly key: string;
  readonly revision: number;
  readonly last_number: number;
}

const now = (): number => Date.now() * 1000;

function partsOf(wish: NewIssue, time: number) {
  const { projectId, summary, description, priority, dueAt } = wish;
  const status = wish.status || 'NEW';
  const resolution = wish.resolution || null;
  return {
    id: uuidv7(),
    eventId: uuidv7(),
    scope: `project_scopes/${projectId}`,
    tokens: [...new Set([...tokensOf(summary), ...tokensOf(description)])],
    issue: [summary, description, priority, status, resolution, dueAt],
    /** What the event says, and the history. */
    said: (id: string, key: string, number: number) => [
      JSON.stringify({
        ...{ id, project_id: projectId, number, key, summary, description, type: 'BUG', priority, priority_rank: 0 },
        ...{ status, resolution, assignee_id: null, reporter_id: null, due_at: dueAt },
        ...{ created_at: time, updated_at: time, version: 1 },
      }),
      JSON.stringify([key, projectId, summary, description, 'BUG', priority, status]),
    ],
  };
}

/** BEGIN, two statements, COMMIT: each waits for the answer to the one before. */
export async function createByTwo(client: pg.Client, wish: NewIssue): Promise<void> {
  const time = now();
  const { id, eventId, scope, tokens, issue, said } = partsOf(wish, time);
  await client.query('BEGIN');
  const { rows } = await client.query<Counted>({ ...COUNT_POSTGRES, values: [wish.projectId, time] });
  const { key: project, revision, last_number: number } = rows[0]!;
  const key = `${project}-${number}`;
  const values = [id, wish.projectId, number, key, ...issue, time, tokens, eventId, scope, revision, FIELDS];
  await client.query({ ...WRITE_POSTGRES, values: [...values, ...said(id, key, number)] });
  await client.query('COMMIT');
}

/** One statement and nothing around it. */
export async function createByOne(client: pg.Client, wish: NewIssue): Promise<void> {
  const time = now();
  const { id, eventId, scope, tokens, issue, said } = partsOf(wish, time);
  const values = [id, wish.projectId, ...issue, time, tokens, eventId, scope, FIELDS, said(id, '', 0)[1]];
  const { rowCount } = await client.query({ ...ALL_POSTGRES, values });
  if (rowCount !== 1) throw new Error(`${rowCount} rows`);
}

/** Hand-written statements of node:sqlite, prepared once. */
export function creatorInSqlite(database: DatabaseSync): (wish: NewIssue) => void {
  const places = (count: number) => Array(count).fill('?').join(', ');
  const begin = database.prepare('BEGIN IMMEDIATE');
  const project = database.prepare('SELECT "id" FROM "projects" WHERE "id" = ?');
  const count = database.prepare(`${COUNT}, "$time" = ? WHERE "id" = ? ${COUNTED}`);
  const insertIssue = database.prepare(`INSERT INTO "issues" (${ISSUE}) VALUES (${places(15)})`);
  const insertToken = database.prepare('INSERT INTO "issues$tokens" ("$token", "id") VALUES (?, ?)');
  const insertChange = database.prepare(`INSERT INTO "changes" (${CHANGE}, "seq") VALUES (${places(13)})`);
  const insertHistory = database.prepare(`INSERT INTO "history" (${HISTORY}) VALUES (${places(11)})`);
  const commit = database.prepare('COMMIT');
  let seq = Number(database.prepare('SELECT max("seq") AS "seq" FROM "changes"').get()?.['seq'] ?? 0);
  return (wish) => {
    const time = now();
    const { id, eventId, scope, tokens, issue, said } = partsOf(wish, time);
    begin.run();
    project.get(wish.projectId);
    const { key: name, revision, last_number: number } = count.get(time, wish.projectId) as unknown as Counted;
    const key = `${name}-${number}`;
    const [summary, description, priority, status, resolution, dueAt] = issue as SQLInputValue[];
    const values = [
      id,
      wish.projectId,
      number,
      key,
      summary,
      description,
      'BUG',
      priority,
      0,
      status,
      resolution,
      dueAt,
    ];
    insertIssue.run(...(values as SQLInputValue[]), time, time, 1);
    for (const token of tokens) insertToken.run(token, id);
    const [after, list] = said(id, key, number) as [string, string];
    insertChange.run(eventId, eventId, scope, revision, 0, time, 'issue', id, 'CREATED', FIELDS, after, 1, ++seq);
    insertHistory.run(eventId, 'issue', id, scope, revision, 0, time, 'CREATED', FIELDS, list, 1);
    commit.run();
  };
}
