import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { status } from '@grpc/grpc-js';
import { IssueServiceService } from '../../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService } from '../../../proto/gen/project/v1/project.ts';
import type { PostgresServer, TestDatabase } from '../../support/services/postgres.ts';
import { type CallFailure, startTracker } from '../../support/tracker.ts';

const POOL = 2;
const DEADLINE_MS = 500;

/**
 * Many calls at once while whoever has a connection waits for a table that another session has locked. Asserts that each
 * ends by its deadline with an error of time and not of anything else, and that all is well when the table is free.
 */
export async function exhaustPool(server: PostgresServer, { calls }: { calls: number }) {
  const database = await server.createDatabase();
  const tracker = await startTracker({ ...database.variables, POSTGRES_POOL_SIZE: String(POOL) });
  const delay = monitorEventLoopDelay({ resolution: 5 });
  try {
    const { project } = await tracker.grpc(ProjectServiceService.createProject, { name: 'Core' });
    const request = { projectId: project!.id, summary: 'one' };
    await tracker.grpc(IssueServiceService.createIssue, request);
    const held = await hold(database);
    delay.enable();
    const ended: Promise<number>[] = [];
    for (let i = 0; i < calls; i += 1) {
      ended.push(
        timedOut(tracker.grpc(IssueServiceService.createIssue, request, { deadline: Date.now() + DEADLINE_MS })),
      );
      // The clients are in this process too: all at once, they would hold up the event loop themselves.
      await new Promise(setImmediate);
    }
    const times = await Promise.all(ended);
    assert.equal((await fetch(`http://127.0.0.1:${tracker.httpPort}/healthz`)).status, 200);
    delay.disable();
    await held.release();
    await Promise.all(Array.from({ length: POOL * 4 }, () => tracker.grpc(IssueServiceService.createIssue, request)));
    const { body } = await tracker.http('GET', `/v1/projects/${project!.id}`);
    const [row] = await database.query('select count(*)::int as n from issues');
    assert.deepEqual([body.project.issueCount, row!['n']], [1 + POOL * 4, 1 + POOL * 4], 'what timed out left nothing');
    const blockedMs = Math.round(delay.max / 1e6);
    const lastMs = Math.round(Math.max(...times));
    return {
      blockedMs,
      text: `${calls} calls with a deadline of ${DEADLINE_MS} ms on an exhausted pool of ${POOL}: the last ended after ${lastMs} ms, the event loop stood still for ${blockedMs} ms at most`,
    };
  } finally {
    await tracker.stop();
    await database.drop();
  }
}

/** After how many milliseconds it ended for its deadline; an assertion error when it ended otherwise. */
async function timedOut(call: Promise<unknown>): Promise<number> {
  const began = performance.now();
  await assert.rejects(call, ({ code }: CallFailure) => [status.DEADLINE_EXCEEDED, status.UNAVAILABLE].includes(code));
  return performance.now() - began;
}

/** Locks the issues against everyone, in a session that sleeps in PostgreSQL, until it is ended. */
async function hold(database: TestDatabase) {
  const sleeping = `datname = $1 and wait_event = 'PgSleep'`;
  const holder = database.query(
    'do $$ begin lock table issues in access exclusive mode; perform pg_sleep(600); end $$',
  );
  holder.catch(() => {});
  const held = async () =>
    (await database.query(`select 1 from pg_stat_activity where ${sleeping}`, [database.name])).length > 0;
  while (!(await held()));
  return {
    async release() {
      // What timed out is called off in the server too, a little later.
      const waits = "datname = $1 and wait_event_type = 'Lock'";
      while ((await database.query(`select 1 from pg_stat_activity where ${waits}`, [database.name])).length > 0);
      await database.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${sleeping}`, [database.name]);
      await assert.rejects(holder);
    },
  };
}
