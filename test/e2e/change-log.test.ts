import assert from 'node:assert/strict';
import { type Change, changeLog } from '../../core/contracts/log.ts';
import { orderedLog } from '../support/replay.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

describe('the change log', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  async function work() {
    const made = await Promise.all(
      ['Core', 'Side'].map((name) => tracker.http('POST', '/v1/projects', { name, key: name.toUpperCase() })),
    );
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        tracker.http('POST', '/v1/issues', {
          projectId: made[i % 2]?.body.project.id,
          summary: `issue ${i}`,
          type: i % 5 ? 'BUG' : 'NONE',
        }),
      ),
    );
    await tracker.http('DELETE', `/v1/projects/${made[0]?.body.project.id}?force=true`);
  }

  it('numbers the revisions of each scope without a gap, in the total order', async () => {
    await work();
    const changes = await (await orderedLog(tracker)).read({ after: 0, limit: 1000 });
    assert.deepEqual(
      changes.map((change) => change.seq),
      changes.map((_, i) => i + 1),
    );
    const last = new Map<string, { revision: number; ordinal: number }>();
    for (const { scope, revision, ordinal } of changes) {
      const before = last.get(scope) ?? { revision: 0, ordinal: -1 };
      if (revision === before.revision) assert.equal(ordinal, before.ordinal + 1);
      else assert.deepEqual([revision, ordinal], [before.revision + 1, 0]);
      last.set(scope, { revision, ordinal });
    }
    assert.equal(changes.filter(({ entity, kind }) => entity === 'issue' && kind === 'CREATED').length, 32);
    assert.equal(changes.at(-1)?.kind, 'DELETED');
  });

  it('ends what it reads between transactions', async () => {
    await work();
    const log = await orderedLog(tracker);
    const head = await log.head();
    for (let after = 0; after < head; ) {
      const changes: readonly Change[] = await log.read({ after, limit: 3 });
      const next = (await log.read({ after: changes.at(-1)?.seq ?? head, limit: 1 }))[0];
      assert.notEqual(changes.at(-1)?.transaction, next?.transaction);
      // What goes beyond the limit is the rest of one transaction.
      assert.equal(new Set(changes.slice(2).map(({ transaction }) => transaction)).size, 1);
      after = changes.at(-1)?.seq ?? head;
    }
  });

  it('delivers every change to a follower once and in order', async () => {
    const log = tracker.service(changeLog);
    const seen: number[] = [];
    let reached = () => {};
    log.follow((changes) => {
      seen.push(...changes.map(({ seq }) => seq));
      reached();
    });
    await work();
    const head = await (await orderedLog(tracker)).head();
    while (seen.at(-1) !== head)
      await new Promise<void>((resolve) => {
        reached = resolve;
      });
    assert.deepEqual(
      seen,
      Array.from({ length: head }, (_, i) => i + 1),
    );
  });
});
