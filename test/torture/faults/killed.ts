import assert from 'node:assert/strict';
import { seededRandom } from '../../../core/lib/random.ts';
import { checkLog, readLog } from '../../support/replay.ts';
import { type ServerProcess, startServer } from '../../support/server-process.ts';
import { freshStore, type StoreName } from '../../support/stores.ts';
import { startTracker } from '../../support/tracker.ts';

const LANES = 8;

/**
 * Kills the server process in the middle of writes, `kills` times, and repeats with its key what was not answered. Asserts
 * that each key made one issue in the end, and that log and counts agree.
 */
export async function killServer(name: StoreName, { seed, kills }: { seed: string; kills: number }) {
  const random = seededRandom(seed);
  const store = await freshStore(name);
  const variables = { ...store.variables, SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0' };
  let server: ServerProcess | undefined;
  try {
    server = await startServer(variables);
    const made = await post(server, '/v1/projects', { name: 'Core', key: 'CORE' });
    const projectId = made!.body.project.id;
    const answered = new Map<string, string>();
    let keys = 0;
    let repeated = 0;
    const create = async (key: string, target: ServerProcess) => {
      const answer = await post(target, '/v1/issues', { projectId, summary: key }, { 'idempotency-key': key });
      if (answer?.status === 200) answered.set(key, answer.body.issue.id);
      else if (answer) assert.equal(answer.status, 503, JSON.stringify(answer.body));
      return answer?.status === 200;
    };
    for (let kill = 0; kill < kills; kill += 1) {
      const target = server;
      const enough = answered.size + random.integer(1, 120);
      const unanswered: string[] = [];
      let killed: Promise<void> | undefined;
      const lane = async () => {
        while (!killed) {
          const key = `key-${++keys}`;
          if (!(await create(key, target))) unanswered.push(key);
          if (answered.size >= enough) killed ??= target.kill();
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      await killed;
      server = await startServer(variables);
      for (const key of unanswered) assert.ok(await create(key, server), `${key} is not made by a repeat`);
      repeated += unanswered.length;
    }
    await server.stop();
    server = undefined;
    const tracker = await startTracker(variables);
    try {
      const issues = (await readLog(tracker)).filter(({ entity }) => entity === 'issue');
      const summaries = issues.map(({ after }) => (after as { summary: string }).summary);
      assert.deepEqual(
        new Map(issues.map(({ entityId }, i) => [summaries[i], entityId])),
        answered,
        'each key made the issue that it was answered with',
      );
      assert.equal(issues.length, keys);
      await checkLog(tracker);
    } finally {
      await tracker.stop();
    }
    return `${name}: killed ${kills} times, ${keys} keys made ${keys} issues, ${repeated} of them by a repeat`;
  } finally {
    await server?.kill();
    await store.remove();
  }
}

/** undefined when the server went away before it had answered. */
async function post({ httpPort }: ServerProcess, path: string, body: object, headers: Record<string, string> = {}) {
  try {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
    return { status: response.status, body: (await response.json()) as any };
  } catch {
    return undefined;
  }
}
