import assert from 'node:assert/strict';
import { seededRandom } from '../../../core/lib/random.ts';
import { checkLog } from '../../support/replay.ts';
import type { OwnPostgres, TestDatabase } from '../../support/services/postgres.ts';
import { startTracker, type Tracker } from '../../support/tracker.ts';

const POOL = 4;
const LANES = 12;

/**
 * Ends backends of PostgreSQL in mid-transaction while many calls write, `kills` times, and then the server itself. Asserts
 * that calls are answered or UNAVAILABLE, that what was acknowledged is there, and that the pool has all its places after.
 */
export async function loseConnections(server: OwnPostgres, { seed, kills }: { seed: string; kills: number }) {
  const random = seededRandom(seed);
  const database = await server.createDatabase();
  const tracker = await startTracker({ ...database.variables, POSTGRES_POOL_SIZE: String(POOL) });
  const seen = { answered: 0, unavailable: 0, ended: 0, down: 0 };
  const acknowledged = new Set<string>();
  let writing = true;
  let made = 0;
  try {
    const projects = await Promise.all(
      ['Core', 'Web', 'Old'].map(
        async (name) => (await tracker.http('POST', '/v1/projects', { name })).body.project.id,
      ),
    );
    const lane = async () => {
      while (writing) {
        const summary = String(++made);
        const { status, body } = await tracker.http('POST', '/v1/issues', {
          projectId: random.pick(projects),
          summary,
        });
        if (status === 200) acknowledged.add(summary);
        else assert.deepEqual([status, body.error.status], [503, 'UNAVAILABLE'], JSON.stringify(body));
        seen[status === 200 ? 'answered' : 'unavailable'] += 1;
      }
    };
    const lanes = Promise.all(Array.from({ length: LANES }, lane));
    lanes.catch(() => {});
    while (seen.ended < kills) seen.ended += await endSome(database);
    await Promise.race([lanes, server.stop()]);
    seen.down = (await tracker.http('GET', '/v1/projects?page_size=7')).status;
    assert.equal(seen.down, 503, 'a read while the server is away');
    await server.start();
    await serves(tracker);
    writing = false;
    await lanes;
    await hasAllPlaces(tracker, database);
    const stored = await database.query('select summary from issues');
    const summaries = new Set(stored.map(({ summary }) => summary));
    assert.equal(summaries.size, stored.length, 'nothing is there twice');
    for (const summary of acknowledged) assert.ok(summaries.has(summary), `${summary} was acknowledged and is lost`);
    await checkLog(tracker);
    return `${seen.ended} backends ended in mid-transaction and one restart: ${seen.answered} calls answered, ${seen.unavailable} unavailable, nothing lost`;
  } finally {
    writing = false;
    await tracker.stop();
    await database.drop();
  }
}

/** How many it ended. */
async function endSome(database: TestDatabase): Promise<number> {
  const ended = await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = $1 and pid <> pg_backend_pid() and xact_start is not null limit 2`,
    [database.name],
  );
  return ended.length;
}

async function serves(tracker: Tracker): Promise<void> {
  while ((await tracker.http('GET', '/v1/projects?page_size=7')).status !== 200);
}

/** As many transactions as there are places run at once: each waits in PostgreSQL until all the others do. */
async function hasAllPlaces(tracker: Tracker, database: TestDatabase): Promise<void> {
  await database.query('create table gate as select false as is_open');
  await database.query(
    `create function wait_here() returns trigger language plpgsql as $$
     begin while not (select is_open from gate) loop perform pg_sleep(0.05); end loop; return new; end $$`,
  );
  await database.query('create trigger wait_here before insert on users for each row execute function wait_here()');
  const most = async () => {
    const [row] = await database.query(
      `select count(*)::int as n from pg_stat_activity where datname = $1 and wait_event = 'PgSleep'`,
      [database.name],
    );
    return row!['n'] as number;
  };
  const calls = Promise.all(
    Array.from({ length: POOL * 3 }, (_, i) =>
      tracker.http('POST', '/v1/users', { name: 'x', email: `place${i}@example.com` }),
    ),
  );
  let done = false;
  let highest = 0;
  void calls.finally(() => {
    done = true;
  });
  // Where a place is lost, some wait for it until their time is over.
  while (!done && highest < POOL) highest = Math.max(highest, await most());
  await database.query('update gate set is_open = true');
  assert.equal(highest, POOL, 'transactions at once: a place of the pool is lost');
  for (const { status, body } of await calls) assert.equal(status, 200, JSON.stringify(body));
  await database.query('drop trigger wait_here on users');
  await database.query('drop table gate');
}
