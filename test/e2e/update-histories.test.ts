import assert from 'node:assert/strict';
import { readLog } from '../support/replay.ts';
import { postgres } from '../support/services/postgres.ts';
import { startTrackers } from '../support/shared-trackers.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { checkHistory, LAST, listen } from '../support/update-histories.ts';
import { runWorkload, testSeed } from '../support/workload.ts';

async function trial(trackers: readonly Tracker[]): Promise<void> {
  try {
    await tryOut(trackers);
  } finally {
    for (const tracker of trackers.toReversed()) await tracker.stop();
  }
}

async function tryOut(trackers: readonly Tracker[]): Promise<void> {
  const seed = testSeed();
  console.log(`      TEST_SEED=${seed}`);
  const ports = () => trackers.map(({ grpcPort }) => grpcPort);
  const begun = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const listeners = begun.map((one, i) =>
    listen({ ports, seed: `${seed} ${i}`, begun: () => one.resolve(), longest: 25 }),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  let calls = 0;
  const any: Tracker = { ...trackers[0]!, http: (...call) => trackers[calls++ % trackers.length]!.http(...call) };
  await runWorkload(any, { seed, decks: 2 });
  // The instances' clocks differ, and what waits for its place in the log gets it by time: all else has its place first.
  await readLog(trackers[0]!);
  await trackers[0]!.http('POST', '/v1/projects', { name: 'The last one', key: LAST });
  const heard = await Promise.all(listeners);
  const changes = await readLog(trackers[0]!);
  for (const listener of heard) {
    checkHistory(listener, changes, seed);
    assert.ok(listener.cuts > 2, `${listener.cuts} cuts`);
  }
}

describe('streams of updates that are cut at random and resumed', () => {
  it('miss nothing, get nothing twice and nothing in parts', async () => trial([await startTracker()]));

  it('nor do they on two instances in turn', async function () {
    onlyOn(this, 'memdb', 'its instances share one memdb');
    await trial((await startTrackers(2)).trackers);
  });

  it('nor on two instances on one PostgreSQL', async function () {
    onlyOn(this, 'memdb', 'it opens the database that it tests itself');
    const server = await postgres(this);
    const database = await server.createDatabase();
    await trial([await startTracker(database.variables), await startTracker(database.variables)]);
    await database.drop();
  });
});
