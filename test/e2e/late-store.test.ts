import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { changeLog } from '../../core/contracts/log.ts';
import { orderedLog } from '../support/replay.ts';
import { storageThatComesLater } from '../support/storage.ts';
import { startTracker } from '../support/tracker.ts';

describe('a tracker that starts before its store', () => {
  it('says unavailable until the store is there, then seeds it, serves and follows its log', async () => {
    const { storage, come } = storageThatComesLater();
    const variables = { SEED_USER_COUNT: '2', SEED_PROJECT_COUNT: '3' };
    const tracker = await startTracker(variables, { storage });
    const early = await tracker.http('GET', '/v1/projects');
    assert.deepEqual([early.status, early.body.error.status], [503, 'UNAVAILABLE']);

    const log = tracker.service(changeLog);
    let heard = 0;
    log.follow((changes) => {
      heard += changes.length;
    });
    come();
    const projects = async () => (await tracker.http('GET', '/v1/projects')).body.projects ?? [];
    while ((await projects()).length < 3) await setImmediate();
    const created = await tracker.http('POST', '/v1/users', { name: 'Test', email: 'test@example.com' });
    assert.equal(created.status, 200);
    const head = await (await orderedLog(tracker)).head();
    while (heard < head) await setImmediate();
    assert.ok(heard >= 6);
    await tracker.stop();
  });

  it('stops while it still waits', async () => {
    const { storage } = storageThatComesLater();
    const tracker = await startTracker({ SEED_USER_COUNT: '2' }, { storage });
    await tracker.stop();
  });
});
