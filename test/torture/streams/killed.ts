import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { seededRandom } from '../../../core/lib/random.ts';
import { orderedLog, readLog } from '../../support/replay.ts';
import { type ServerProcess, startServer } from '../../support/server-process.ts';
import { freshStore } from '../../support/stores.ts';
import { startTracker } from '../../support/tracker.ts';
import { checkHistory, LAST, listen } from '../../support/update-histories.ts';
import { send } from './send.ts';

const WRITERS = 16;
const LISTENERS = 6;
const PROJECTS = 4;
/** UNAVAILABLE: how a stream of an instance that is killed, or not there yet, ends. */
const UNAVAILABLE = 14;

interface Options {
  readonly seed: string;
  readonly kills: number;
  /** Between two of them, in milliseconds, at most. */
  readonly every: number;
}

/**
 * Two instances on one PostgreSQL, of which one is killed and started anew, in turn: so the one that makes the log's order
 * is killed at every second time at least. Meanwhile writers repeat by key what was not answered, a fifth of what they ask
 * for is rolled back, and streams are cut and resumed anywhere. Asserts that what was answered is what the log holds, each
 * once, and that each listener had what the log holds, by the six checks of a watch.
 */
export async function killInstances({ seed, kills, every }: Options): Promise<string> {
  const random = seededRandom(seed);
  const store = await freshStore('postgres');
  const variables = { ...store.variables, SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0' };
  const instances: ServerProcess[] = [await startServer(variables), await startServer(variables)];
  try {
    const listeners = Array.from({ length: LISTENERS }, (_, i) => {
      const begun = Promise.withResolvers<void>();
      const ports = () => instances.map(({ grpcPort }) => grpcPort);
      const options = { ports, seed: `${seed} ${i}`, begun: () => begun.resolve(), longest: 400 };
      return { begun: begun.promise, heard: listen({ ...options, mayEnd: [UNAVAILABLE] }) };
    });
    await Promise.all(listeners.map(({ begun }) => begun));

    let isOver = false;
    let repeats = 0;
    let refused = 0;
    const post = async (path: string, body: object, key: string) => {
      for (;;) {
        const answer = await send(random.pick(instances), path, body, { 'idempotency-key': key });
        if (answer && answer.status !== 503) return answer;
        repeats += 1;
        await setTimeout(random.integer(1, 20));
      }
    };
    const projectIds: string[] = [];
    for (let i = 0; i < PROJECTS; i++) {
      const { body } = await post('/v1/projects', { name: 'Some', key: `P${i}` }, `project-${i}`);
      assert.ok(body.project, JSON.stringify(body));
      projectIds.push(body.project.id);
    }
    const summaries: string[] = [];
    const write = async (writer: number) => {
      for (let n = 0; !isOver; n++) {
        const key = `${writer}-${n}`;
        const issues = [key, `${key} too`].map((summary) => ({ projectId: random.pick(projectIds), summary }));
        const rollsBack = random.integer(1, 5) === 1;
        // It exists nowhere, which is found out when the first issue is written already.
        const requests = rollsBack ? [...issues, { ...issues[0], assigneeId: projectIds[0] }] : issues;
        const { status, body } = await post('/v1/issues:batchCreate', { requests, atomic: true }, key);
        assert.equal(status, rollsBack ? 400 : 200, `TEST_SEED=${seed} ${JSON.stringify(body)}`);
        if (rollsBack) refused += 1;
        else summaries.push(...issues.map(({ summary }) => summary));
      }
    };
    const disturb = async () => {
      for (let kill = 0; kill < kills; kill++) {
        await setTimeout(random.integer(every / 2, every));
        await instances[kill % 2]!.kill();
        instances[kill % 2] = await startServer(variables);
      }
      isOver = true;
    };
    await Promise.all([disturb(), ...Array.from({ length: WRITERS }, (_, writer) => write(writer))]);
    const reader = await startTracker(store.variables);
    // The instances' clocks differ a little, and what waits for its place gets it by time: all else has its place first.
    await orderedLog(reader);
    await post('/v1/projects', { name: 'The last one', key: LAST }, 'the-last-one');
    const heard = await Promise.all(listeners.map((listener) => listener.heard));

    const log = await readLog(reader);
    await reader.stop();
    const made = log
      .filter(({ entity }) => entity === 'issue')
      .map(({ after }) => (after as { summary: string }).summary);
    assert.deepEqual(made.toSorted(), summaries.toSorted(), `TEST_SEED=${seed}: the log is what was answered`);
    for (const listener of heard) checkHistory(listener, log, seed);
    const cuts = heard.reduce((sum, listener) => sum + listener.cuts, 0);
    return `instances killed ${kills} times: ${log.length} changes by ${WRITERS} writers, ${refused} transactions rolled back, ${repeats} calls repeated; ${LISTENERS} streams, cut ${cuts} times, had each once and in order`;
  } finally {
    for (const instance of instances) await instance.kill();
    await store.remove();
  }
}
