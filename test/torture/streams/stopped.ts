import assert from 'node:assert/strict';
import { seededRandom } from '../../../core/lib/random.ts';
import { readLog } from '../../support/replay.ts';
import { startServer } from '../../support/server-process.ts';
import { freshStore } from '../../support/stores.ts';
import { startTracker } from '../../support/tracker.ts';
import { checkHistory, LAST, Listener } from '../../support/update-histories.ts';
import { type Ended, streamUpdates } from '../../support/update-stream.ts';
import { send } from './send.ts';

const WRITERS = 8;
/** Of the whole stop. */
const BUDGET_MS = 10_000;

/**
 * SIGTERM to one of two instances on one PostgreSQL, with streams open and calls under way. Asserts that its streams end
 * with UNAVAILABLE and a token, that no call fails in a way that cannot be tried again elsewhere, that it exits with 0 in
 * time, and that the streams that go on at the other instance miss nothing.
 */
export async function stopUnderLoad({ seed, streams }: { seed: string; streams: number }): Promise<string> {
  const random = seededRandom(seed);
  const store = await freshStore('postgres');
  const variables = { ...store.variables, SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0' };
  const stopping = await startServer(variables);
  const staying = await startServer(variables);
  try {
    const listeners = Array.from({ length: streams }, () => new Listener());
    const open = listeners.map((listener) => {
      const stream = streamUpdates(stopping.grpcPort, {}, (message) => listener.hear(message));
      return { stream, listener, begun: stream.until(({ resumeToken }) => resumeToken !== '') };
    });
    await Promise.all(open.map(({ begun }) => begun));
    const { body } = (await send(staying, '/v1/projects', { name: 'Core', key: 'CORE' }))!;

    let isOver = false;
    let answered = 0;
    let elsewhere = 0;
    let stopped: Promise<void> | undefined;
    let took = 0;
    const enough = random.integer(200, 600);
    const stop = async () => {
      const since = performance.now();
      assert.equal(await stopping.stop(), 0);
      took = performance.now() - since;
      isOver = true;
    };
    const write = async (writer: number) => {
      for (let n = 0; !isOver; n++) {
        const key = { 'idempotency-key': `${writer}-${n}` };
        const issue = { projectId: body.project.id, summary: `${writer}-${n}` };
        const first = await send(stopping, '/v1/issues', issue, key);
        if (first) assert.ok([200, 503].includes(first.status), `TEST_SEED=${seed} ${JSON.stringify(first)}`);
        if (first?.status === 200) answered += 1;
        else {
          const second = await send(staying, '/v1/issues', issue, key);
          assert.equal(second?.status, 200, `TEST_SEED=${seed} ${JSON.stringify(second)}`);
          elsewhere += 1;
        }
        if (answered >= enough) stopped ??= stop();
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
    await stopped;
    assert.ok(took < BUDGET_MS, `it took ${took} ms`);
    const ends: Ended[] = await Promise.all(open.map(({ stream }) => stream.ended));
    for (const [i, { code, reason, resumeToken }] of ends.entries()) {
      const { token } = open[i]!.stream;
      assert.deepEqual([code, reason, resumeToken], [14, 'SHUTTING_DOWN', token], `TEST_SEED=${seed}`);
    }

    await send(staying, '/v1/projects', { name: 'The last one', key: LAST });
    const reader = await startTracker(store.variables);
    const log = await readLog(reader);
    await reader.stop();
    for (const { listener } of open) {
      listener.cut();
      const rest = streamUpdates(staying.grpcPort, { resumeToken: listener.token }, (message) =>
        listener.hear(message),
      );
      await rest.until(({ message }) => message?.$case === 'update' && message.value.eventId === log.at(-1)!.id);
      rest.close();
      checkHistory(listener, log, seed);
    }
    return `SIGTERM with ${streams} streams and ${WRITERS} writers: ${answered} calls answered by it, ${elsewhere} by the other instance, out after ${Math.round(took)} ms; ${log.length} changes, each stream had each once`;
  } finally {
    await stopping.kill();
    await staying.kill();
    await store.remove();
  }
}
