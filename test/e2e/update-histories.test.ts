import assert from 'node:assert/strict';
import { type Change, changeLog } from '../../core/contracts/log.ts';
import { seededRandom } from '../../core/lib/random.ts';
import { Project, type ProjectUpdate, type StreamProjectUpdatesResponse } from '../../proto/gen/project/v1/project.ts';
import { postgres } from '../support/services/postgres.ts';
import { startTrackers } from '../support/shared-trackers.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { streamUpdates } from '../support/update-stream.ts';
import { runWorkload, testSeed } from '../support/workload.ts';

/** What a client has that keeps to tokens: of what came after the last one nothing counts, when the stream is cut. */
class Listener {
  readonly kept: ProjectUpdate[] = [];
  readonly #open: ProjectUpdate[] = [];
  token = '';
  cuts = 0;

  hear({ resumeToken, message }: StreamProjectUpdatesResponse): void {
    if (message?.$case === 'update') this.#open.push(message.value);
    if (resumeToken === '') return;
    const transactions = Map.groupBy(this.#open, ({ transactionId }) => transactionId);
    assert.ok(transactions.size <= 1, 'a token is missing between two transactions');
    this.kept.push(...this.#open.splice(0));
    this.token = resumeToken;
  }

  cut(): void {
    this.#open.length = 0;
    this.cuts += 1;
  }
}

const LAST = 'LASTONE';

function isLast({ message }: StreamProjectUpdatesResponse): boolean {
  if (message?.$case !== 'update' || message.value.entity !== 'project' || !message.value.after) return false;
  return Project.decode(message.value.after.value).key === LAST;
}

/** Listens, is cut after some messages and goes on with its token, on any of the instances, up to the last project. */
async function listen(trackers: readonly Tracker[], seed: string, begun: () => void): Promise<Listener> {
  const random = seededRandom(seed);
  const listener = new Listener();
  for (;;) {
    const { grpcPort } = random.pick(trackers);
    let left = random.integer(1, 25);
    let isDone = false;
    const stream = streamUpdates(grpcPort, { resumeToken: listener.token }, (message) => {
      // What is still on its way when the stream is cut does not count either.
      if (left > 0) listener.hear(message);
      begun();
      isDone ||= left > 0 && isLast(message);
      left -= 1;
      if (left === 0 || isDone) stream.close();
    });
    const { code, reason } = await stream.ended;
    assert.equal(code, 1, reason);
    if (isDone) return listener;
    listener.cut();
  }
}

async function allChanges(tracker: Tracker): Promise<readonly Change[]> {
  const log = tracker.service(changeLog);
  const all: Change[] = [];
  for (let page = await log.read({ after: 0 }); page.length > 0; page = await log.read({ after: all.at(-1)!.seq }))
    all.push(...page);
  return all.filter(({ scope }) => scope.startsWith('project_scopes/'));
}

/** Ordered, unique, reliable, atomic, resumable, bookmarked: as the log has it, transaction for transaction. */
function check(listener: Listener, changes: readonly Change[], seed: string): void {
  const why = `TEST_SEED=${seed}`;
  assert.deepEqual(
    listener.kept.map(({ eventId }) => eventId),
    changes.map(({ id }) => id),
    why,
  );
  const last = new Map<string, readonly [revision: bigint, ordinal: number]>();
  for (const { projectId, revision, ordinal } of listener.kept) {
    const [before, place] = last.get(projectId) ?? [0n, -1];
    assert.deepEqual([revision, ordinal], revision === before ? [before, place + 1] : [before + 1n, 0], why);
    last.set(projectId, [revision, ordinal]);
  }
}

async function trial(trackers: readonly Tracker[]): Promise<void> {
  const seed = testSeed();
  console.log(`      TEST_SEED=${seed}`);
  // The first message of a stream without a token has one: everything from there on counts.
  const begun = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const listeners = begun.map(({ resolve }, i) => listen(trackers, `${seed} ${i}`, resolve));
  await Promise.all(begun.map(({ promise }) => promise));
  let calls = 0;
  const any: Tracker = { ...trackers[0]!, http: (...call) => trackers[calls++ % trackers.length]!.http(...call) };
  await runWorkload(any, { seed, decks: 2 });
  await trackers[0]!.http('POST', '/v1/projects', { name: 'The last one', key: LAST });
  const heard = await Promise.all(listeners);
  const changes = await allChanges(trackers[0]!);
  for (const listener of heard) {
    check(listener, changes, seed);
    assert.ok(listener.cuts > 2, `${listener.cuts} cuts`);
  }
  for (const tracker of trackers.toReversed()) await tracker.stop();
}

describe('streams of updates that are cut at random and resumed', () => {
  it('miss nothing, get nothing twice and nothing in parts', async () => trial([await startTracker()]));

  it('nor do they on two instances in turn', async function () {
    onlyOn(this, 'memdb', 'its instances share one memdb');
    await trial((await startTrackers(2)).trackers);
  });

  it('nor on two instances on one PostgreSQL', async function () {
    this.timeout(60_000);
    onlyOn(this, 'memdb', 'it opens the database that it tests itself');
    const server = await postgres(this);
    const database = await server.createDatabase();
    await trial([await startTracker(database.variables), await startTracker(database.variables)]);
    await database.drop();
  });
});
