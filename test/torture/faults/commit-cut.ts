import assert from 'node:assert/strict';
import { seededRandom } from '../../../core/lib/random.ts';
import { CuttingProxy } from '../../support/cutting-proxy.ts';
import { checkLog } from '../../support/replay.ts';
import type { TestDatabase } from '../../support/services/postgres.ts';
import { startTracker } from '../../support/tracker.ts';

const LANES = 8;
const COMMIT = /(^|[^a-z])commit([^a-z]|$)/i;

/**
 * Creates issues by keys, each repeated until it is answered, while connections to PostgreSQL are cut at every third COMMIT
 * on average, half of them when the server has it. Goes on until `cuts` were cut. Asserts that each key made one issue.
 */
export async function cutAtCommit(database: TestDatabase, { seed, cuts }: { seed: string; cuts: number }) {
  const random = seededRandom(seed);
  const proxy = await CuttingProxy.start(Number(database.variables['POSTGRES_PORT']));
  const tracker = await startTracker({ ...database.variables, POSTGRES_PORT: String(proxy.port) });
  const seen = { 'cut before': 0, 'cut after': 0, repeated: 0 };
  const cut = () => seen['cut before'] + seen['cut after'];
  try {
    const { project } = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body;
    let cutting = true;
    proxy.fate = (bytes) => {
      if (!cutting || !COMMIT.test(bytes.toString('latin1')) || random.integer(0, 2) > 0) return 'pass';
      const fate = random.pick(['cut before', 'cut after'] as const);
      seen[fate] += 1;
      return fate;
    };
    const ids = new Map<string, string>();
    let keys = 0;
    const create = async (key: string) => {
      for (;;) {
        const body = { projectId: project.id, summary: key };
        const answer = await tracker.http('POST', '/v1/issues', body, { 'idempotency-key': key });
        if (answer.status === 200) return ids.set(key, answer.body.issue.id);
        assert.equal(answer.status, 503, JSON.stringify(answer.body));
        seen.repeated += 1;
      }
    };
    const lane = async () => {
      while (cut() < cuts || keys < cuts) await create(`key-${++keys}`);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    cutting = false;
    const made = await database.query('select key, id, summary from issues order by number');
    assert.deepEqual(
      made.map(({ key }) => key),
      made.map((_, i) => `CORE-${i + 1}`),
    );
    assert.deepEqual(new Map(made.map(({ summary, id }) => [summary, id])), ids, 'each key made the issue it answered');
    assert.equal(made.length, keys);
    await checkLog(tracker);
    return `${keys} keys made ${made.length} issues; ${seen['cut before']} connections were cut before a COMMIT, ${seen['cut after']} behind one, ${seen.repeated} calls were repeated`;
  } finally {
    await tracker.stop();
    await proxy.close();
  }
}
