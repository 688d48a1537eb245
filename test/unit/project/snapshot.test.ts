import assert from 'node:assert/strict';
import type { Call } from '../../../core/contracts/api.ts';
import type { Change, ChangeLog } from '../../../core/contracts/log.ts';
import { projectScopes } from '../../../core/contracts/projects.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { LiveEvent } from '../../../plugins/project/stream/live-event.ts';
import { placeOf } from '../../../plugins/project/stream/resume-token.ts';
import { Snapshot } from '../../../plugins/project/stream/snapshot.ts';
import { projectsTable } from '../../../plugins/project/tables.ts';
import storage from '../../../plugins/storage-memdb/plugin.ts';
import { setUp } from '../plugin-context.ts';

const head = (seq: number, ...pending: string[]) => ({ seq, id: `${seq}`, pending: new Set(pending) });

/** The snapshot of a store with one project, at this revision, over a log whose heads are these, one after the other. */
async function snapshotOf(revision: number, ...heads: ReturnType<typeof head>[]) {
  const { instance, release } = await setUp(storage, { config: {} });
  await instance.start(
    { tables: [projectsTable, projectScopes].map((value) => ({ plugin: 'project', value })) },
    new AbortController().signal,
  );
  const store: Store = instance.provides.store;
  const id = uuidv7();
  const now = 1_700_000_000_000_000;
  const times = { created_at: now, updated_at: now };
  const counts = { last_number: 0, issue_count: 0, open_issue_count: 0 };
  await store.write(async (tx) => {
    await tx.table(projectScopes).insert({ id, key: 'CORE', revision, ...counts });
    await tx.table(projectsTable).insert({ id, key: 'CORE', name: 'Core', description: '', archived: false, ...times });
  });
  const log: Pick<ChangeLog, 'headIn'> = { headIn: async () => heads.shift()! };
  const snapshot = new Snapshot(store, log as ChangeLog, undefined);
  const { signal } = new AbortController();
  let shown = 0;
  for await (const page of snapshot.pages({ cancellation: signal, signal } as Partial<Call> as Call))
    shown += [...page].length;
  assert.equal(shown, 1);
  const event = (revision: number) =>
    new LiveEvent({ scope: `project_scopes/${id}`, revision } as Change, placeOf({ seq: 1, id: '1' }), new Map());
  return { snapshot, event, heads, release };
}

describe('the snapshot of a stream', () => {
  it('has shown what the log tells of a project up to the revision that its page had', async () => {
    const { snapshot, event, release } = await snapshotOf(7, head(20));
    assert.deepEqual(
      [6, 7, 8].map((revision) => snapshot.shows(event(revision))),
      [true, true, false],
    );
    await release();
  });

  it('waits until all that its pages have shown has a place in the log, and is past when the log was read up to that', async () => {
    const { snapshot, heads, release } = await snapshotOf(
      1,
      head(20, 'a', 'b'),
      head(21, 'b', 'later'),
      head(22, 'later'),
    );
    assert.equal(heads.length, 0);
    assert.equal(snapshot.after.seq, 20);
    assert.deepEqual(
      [20, 21, 22].map((seq) => snapshot.isPast(seq)),
      [false, false, true],
    );
    await release();
  });
});
