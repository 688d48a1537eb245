import assert from 'node:assert/strict';
import { checkLog } from '../support/replay.ts';
import { startTracker } from '../support/tracker.ts';
import { testSeed } from '../support/workload.ts';
import { fuzz } from '../torture/fuzz.ts';

describe('the tracker, whatever is sent to it', () => {
  it('answers with what the reference lists, and keeps log and counts in order', async () => {
    const tracker = await startTracker({ SEED_USER_COUNT: '5', SEED_PROJECT_COUNT: '3', SEED_RELATIONSHIPS: 'true' });
    const seed = testSeed();
    try {
      const answers = await fuzz(tracker, { seed, cases: 4000 });
      for (const answer of ['rest 200', 'rest 400', 'grpc OK', 'grpc INVALID_ARGUMENT'])
        assert.ok((answers.get(answer) ?? 0) > 50, `TEST_SEED=${seed}: ${JSON.stringify([...answers])}`);
      await checkLog(tracker);
    } finally {
      await tracker.stop();
    }
  });
});
