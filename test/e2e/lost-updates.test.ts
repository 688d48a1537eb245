import assert from 'node:assert/strict';
import { checkLog, readLog } from '../support/replay.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

const CLIENTS = 16;
const UPDATES = 4;

describe('sixteen clients that update one issue', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
    await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' });
    await tracker.http('POST', '/v1/issues', { projectId: (await onlyProject()).id, summary: 'one' });
  });
  afterEach(() => tracker.stop());

  const onlyProject = async () => (await tracker.http('GET', '/v1/projects')).body.projects[0];
  const get = () => tracker.http('GET', '/v1/issues/CORE-1');

  it('lose no update when each sends the etag of what it had read', async () => {
    let refused = 0;
    const client = async (name: number) => {
      for (let done = 0; done < UPDATES; ) {
        const { body, headers } = await get();
        const description = `${body.issue.description}${name}.${done} `;
        const written = await tracker.http(
          'PATCH',
          '/v1/issues/CORE-1',
          { description },
          {
            'if-match': headers.get('etag')!,
          },
        );
        if (written.status === 200) done += 1;
        else {
          assert.deepEqual([written.status, written.body.error.details[0].reason], [412, 'ETAG_MISMATCH']);
          refused += 1;
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));
    const marks = (await get()).body.issue.description.trim().split(' ');
    assert.equal(marks.length, CLIENTS * UPDATES);
    assert.equal(new Set(marks).size, CLIENTS * UPDATES);
    assert.ok(refused > 0, 'they did not meet');
    const updates = (await readLog(tracker)).filter(({ kind }) => kind === 'UPDATED');
    assert.equal(updates.length, CLIENTS * UPDATES, 'one event for each, and none for what was refused');
    await checkLog(tracker);
  });
});
