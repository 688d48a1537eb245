import assert from 'node:assert/strict';
import type { Change } from '../../core/contracts/log.ts';
import { seededRandom } from '../../core/lib/random.ts';
import { type PublishedEvent, readEvents } from '../support/kafka-events.ts';
import { readLog } from '../support/replay.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { kafka, type OwnKafka, ownKafka } from '../support/services/kafka.ts';
import { postgres } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { testSeed } from '../support/workload.ts';

const isAll = (changes: readonly Change[]) => (events: readonly PublishedEvent[]) => {
  const ids = new Set(events.map(({ value }) => value.eventId));
  return changes.every(({ id }) => ids.has(id));
};

/** What a consumer has that keeps to the contract: of each topic and key, what is newer than all before. */
function withoutRepeats(events: readonly PublishedEvent[]): Map<string, string[]> {
  const newest = new Map<string, readonly [revision: number, ordinal: number]>();
  const kept = new Map<string, string[]>();
  for (const { topic, key, value } of events) {
    const of = `${topic} ${key}`;
    const [revision, ordinal] = newest.get(of) ?? [0, 0];
    if (Number(value.revision) < revision || (Number(value.revision) === revision && value.ordinal <= ordinal))
      continue;
    newest.set(of, [Number(value.revision), value.ordinal]);
    kept.set(of, [...(kept.get(of) ?? []), value.eventId]);
  }
  return kept;
}

function assertPublished(events: readonly PublishedEvent[], changes: readonly Change[], why: string): void {
  const topicOf = (entity: string) => ({ issue: 'issues', user: 'users' })[entity] ?? 'projects';
  const committed = Map.groupBy(changes, ({ entity, scope }) => `${topicOf(entity)} ${scope.split('/')[1]}`);
  const expected = [...committed].map(([of, list]) => [of, list.map(({ id }) => id)] as const);
  assert.deepEqual(new Map([...withoutRepeats(events)].sort()), new Map(expected.sort()), why);
  const ids = new Set(changes.map(({ id }) => id));
  assert.deepEqual(
    events.filter(({ value }) => !ids.has(value.eventId)),
    [],
    why,
  );
}

/** Makes issues over HTTP, one after the other, until it is told to stop; resolves with the statuses that were answered. */
function load(port: () => number, projectId: string) {
  let isOver = false;
  const statuses: number[] = [];
  const done = (async () => {
    for (let i = 0; !isOver; i++) {
      const sent = fetch(`http://127.0.0.1:${port()}/v1/issues`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ projectId, summary: `issue ${i}` }),
      });
      // Of a server that was killed there is no answer.
      const status = await sent.then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        () => 0,
      );
      statuses.push(status);
    }
  })();
  return {
    statuses,
    async stop() {
      isOver = true;
      await done;
    },
  };
}

/** Two take turns, so that each but perhaps the first is of the one that holds the lease. */
const KILLS = 3;

describe('the relay to Kafka', function () {
  this.timeout(120_000);

  it('publishes what was committed, in order, though those who do it are killed', async function () {
    onlyOn(this, 'memdb', 'it is on PostgreSQL in any case');
    const [broker, database] = await Promise.all([
      kafka(this),
      postgres(this).then((server) => server.createDatabase()),
    ]);
    const seed = testSeed();
    console.log(`      TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    const topics = broker.topics();
    const variables = {
      ...database.variables,
      ...topics,
      COMMUNICATION_METHOD: 'kafka',
      SEED_USER_COUNT: '0',
      SEED_PROJECT_COUNT: '0',
    };
    const reader = await startTracker({ ...database.variables });
    const servers: ServerProcess[] = await Promise.all([startServer(variables), startServer(variables)]);
    const projects = await Promise.all(
      ['ONE', 'TWO'].map(
        async (key) => (await reader.http('POST', '/v1/projects', { name: key, key })).body.project.id,
      ),
    );
    const events = await readEvents(topics);
    const loads = projects.flatMap((id, i) => [load(() => servers[i]!.httpPort, id), load(() => reader.httpPort, id)]);
    for (let kills = 0; kills < KILLS; kills++) {
      const target = events.all.length + random.integer(1, 150);
      await events.until((all) => all.length >= target);
      const victim = kills % servers.length;
      await servers[victim]!.kill();
      if (kills < KILLS - 1) servers[victim] = await startServer(variables);
    }
    await Promise.all(loads.map((one) => one.stop()));
    const changes = await readLog(reader);
    await events.until(isAll(changes));
    assertPublished(events.all, changes, `TEST_SEED=${seed}`);
    console.log(`      ${changes.length} events, ${events.all.length - changes.length} of them twice`);
    await events.end();
    await servers[KILLS % servers.length]!.stop();
    await reader.stop();
    await database.drop();
  });

  describe('without Kafka', () => {
    let broker: OwnKafka;
    let tracker: Tracker;
    const lines: string[] = [];

    before(async function () {
      broker = await ownKafka(this);
      await broker.stop();
    });
    after(async () => {
      await tracker?.stop();
      await broker?.close();
    });

    const health = async () => (await tracker.http('GET', '/health')).body;
    const untilCommunicationIs = async (status: string) => {
      while ((await health()).communication_status !== status) await new Promise((done) => setTimeout(done, 50));
    };

    it('serves from the start, says so in /health, and publishes everything when Kafka comes', async () => {
      const keep = (_fields: object, message: string) => void lines.push(message);
      const log = { debug() {}, info: keep, warn: keep, error: keep, child: () => log };
      const topics = broker.topics();
      tracker = await startTracker({ COMMUNICATION_METHOD: 'kafka', ...topics }, { log });
      const { body } = await tracker.http('POST', '/v1/projects', { name: 'Early', key: 'EARLY' });
      assert.deepEqual(
        (await tracker.http('POST', '/v1/issues', { projectId: body.project.id, summary: 'x' })).status,
        200,
      );
      assert.equal((await tracker.http('GET', '/readyz')).status, 200);
      assert.equal((await health()).status, 'degraded');
      await broker.start();
      const events = await readEvents(topics);
      const changes = await readLog(tracker);
      await events.until(isAll(changes));
      assertPublished(events.all, changes, 'from the start');
      await untilCommunicationIs('up');

      const working = load(() => tracker.httpPort, body.project.id);
      await events.until((all) => all.length > 50);
      await broker.stop();
      await untilCommunicationIs('down');
      const before = working.statuses.length;
      while (working.statuses.length < before + 100) await new Promise(setImmediate);
      await broker.start();
      await untilCommunicationIs('up');
      await working.stop();
      assert.deepEqual(new Set(working.statuses), new Set([200]));
      const all = await readLog(tracker);
      await events.until(isAll(all));
      assertPublished(events.all, all, 'after the stop');
      await events.end();
      const relay = lines.filter((line) => line.startsWith('events '));
      // Whether it had something to send before the broker came the first time is the store's affair.
      // A broker that was silent and then gone are two reasons, and a line for each.
      const turns = relay.filter((line, i) => line !== relay[i - 1]);
      assert.deepEqual(turns.slice(-3), [
        'events reach Kafka',
        'events wait in the log for Kafka, and are sent when it is there',
        'events reach Kafka',
      ]);
      assert.ok(relay.length <= 6, relay.join('\n'));
    });
  });
});
