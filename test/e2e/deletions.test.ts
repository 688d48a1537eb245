import assert from 'node:assert/strict';
import { type Store, StoreError, store } from '../../core/contracts/store.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { storageThatWrites } from '../support/storage.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

type Write = Store['write'];

describe('deleting what much belongs to', () => {
  let tracker: Tracker;
  /** What the store does before each write. */
  let before: ((options: Parameters<Write>[1]) => Promise<void>) | undefined;
  beforeEach(async () => {
    before = undefined;
    const storage = storageThatWrites((write) => async (fn, options) => {
      await before?.(options);
      return write(fn, options);
    });
    tracker = await startTracker({}, { storage });
  });
  afterEach(() => tracker.stop());

  const post = (path: string, body: object) => tracker.http('POST', path, body);
  const project = async (name: string) => (await post('/v1/projects', { name })).body.project.id as string;
  const user = async (name: string) =>
    (await post('/v1/users', { name, email: `${name}@example.com` })).body.user.id as string;
  const issues = async (projectId: string, count: number, more: object = {}) => {
    const requests = Array.from({ length: count }, (_, i) => ({ projectId, summary: `${i}`, ...more }));
    assert.equal((await post('/v1/issues:batchCreate', { requests, atomic: true })).status, 200);
  };
  const since = async (seq: number) => (await readLog(tracker)).slice(seq);

  describe('a user with 2,500 issues', () => {
    let ann: string;
    let head: number;
    beforeEach(async () => {
      const projects = [await project('Core'), await project('Web'), await project('Old')] as const;
      ann = await user('ann');
      const assigned = { assigneeId: ann };
      await issues(projects[0], 1000, assigned);
      await issues(projects[1], 900, assigned);
      await issues(projects[2], 600, assigned);
      await issues(projects[0], 5);
      await post(`/v1/projects/${projects[1]}/members`, { userId: ann });
      await post(`/v1/projects/${projects[2]}:archive`, {});
      head = (await readLog(tracker)).length;
    });

    const end = (more = '', headers = {}) => tracker.http('DELETE', `/v1/users/${ann}${more}`, undefined, headers);

    /** That all were unassigned, each once, and the user then deleted, once. */
    const checkEnded = async () => {
      assert.equal((await tracker.http('GET', `/v1/users/${ann}`)).status, 404);
      const changes = await since(head);
      const unassigned = changes.filter(({ entity }) => entity === 'issue');
      assert.deepEqual([unassigned.length, new Set(unassigned.map(({ entityId }) => entityId)).size], [2500, 2500]);
      assert.deepEqual(
        changes.filter(({ entity }) => entity !== 'issue').map(({ entity, kind }) => [entity, kind]),
        [
          ['project_member', 'DELETED'],
          ['user', 'UPDATED'],
          ['user', 'DELETED'],
        ],
      );
      const { body } = await tracker.http('GET', `/v1/issues?filter=assignee_id:*`);
      assert.deepEqual(body.issues, []);
      await checkLog(tracker);
    };

    it('needs force, and changes nothing without it', async () => {
      const { status, body } = await end();
      assert.deepEqual([status, body.error.details[0].reason], [400, 'USER_HAS_REFERENCES']);
      assert.match(body.error.message, /assigned issues: 2500, memberships: 1|memberships: 1, assigned issues: 2500/);
      assert.equal(body.error.details[0].metadata.count, '2500');
      assert.deepEqual(await since(head), []);
      assert.equal((await end('?force=true')).status, 200);
      await checkEnded();
    });

    for (const [what, interrupt] of [
      [
        'its caller goes away',
        async () => {
          const controller = new AbortController();
          const stop = tracker.service(store).onCommit(() => controller.abort());
          // The second step begins when the server has noticed.
          before = async (options) => {
            const { signal } = options!;
            if (controller.signal.aborted && !signal!.aborted)
              await new Promise<void>((handleEvent) => signal!.addEventListener('abort', { handleEvent }));
          };
          const path = `http://127.0.0.1:${tracker.httpPort}/v1/users/${ann}?force=true`;
          const headers = { 'idempotency-key': 'end-1' };
          await assert.rejects(fetch(path, { method: 'DELETE', headers, signal: controller.signal }));
          stop();
        },
      ],
      [
        'the store fails',
        async () => {
          let steps = 0;
          before = async () => {
            steps += 1;
            if (steps > 1) throw new StoreError('unavailable', 'the connection was lost');
          };
          assert.equal((await end('?force=true', { 'idempotency-key': 'end-1' })).status, 503);
        },
      ],
    ] as const)
      it(`is deleted by a second call when ${what} after the first step`, async () => {
        const committed = new Promise<void>((resolve) => tracker.service(store).onCommit(() => resolve()));
        await interrupt();
        await committed;
        before = undefined;
        // What is left is as if the user had been deactivated.
        const halfway = await since(head);
        assert.equal(new Set(halfway.map(({ transaction }) => transaction)).size, 1);
        assert.equal(halfway.filter(({ entity }) => entity === 'issue').length, 1000);
        assert.equal((await tracker.http('GET', `/v2/users/${ann}`)).body.user.isActive, false);
        const [{ id }] = (await tracker.http('GET', '/v1/issues?page_size=1')).body.issues;
        const refused = await tracker.http('PATCH', `/v1/issues/${id}`, { assigneeId: ann });
        assert.equal(refused.body.error.details[0].reason, 'USER_INACTIVE');
        assert.equal((await end()).body.error.details[0].metadata.count, '1500');

        const again = await end('?force=true', { 'idempotency-key': 'end-1' });
        assert.equal(again.status, 200, JSON.stringify(again.body));
        await checkEnded();
        assert.equal((await end('?force=true')).status, 404);
        assert.equal((await end('?force=true', { 'idempotency-key': 'end-1' })).status, 200, 'it has its answer');
      });
  });

  it('deletes a project with 2,500 issues only with force, in one revision', async () => {
    const [core, web] = [await project('Core'), await project('Web')];
    const ann = await user('ann');
    await issues(core, 1000, { assigneeId: ann });
    await issues(core, 1000, { status: 'RESOLVED', resolution: 'FIXED' });
    await issues(core, 500);
    await issues(web, 3);
    await post(`/v1/projects/${core}/members`, { userId: ann });
    const head = (await readLog(tracker)).length;
    const shown = (await tracker.http('GET', `/v1/projects/${core}`)).body.project;
    assert.deepEqual([shown.issueCount, shown.openIssueCount], [2500, 1500]);

    const refused = await tracker.http('DELETE', `/v1/projects/${core}`);
    const [{ reason, metadata }] = refused.body.error.details;
    assert.deepEqual([refused.status, reason, metadata], [400, 'PROJECT_NOT_EMPTY', { issues: '2500' }]);
    assert.match(refused.body.error.message, /issues: 2500/);
    const stale = await tracker.http('DELETE', `/v1/projects/${core}?force=true`, undefined, { 'if-match': '"stale"' });
    assert.equal(stale.status, 412);
    assert.deepEqual(await since(head), []);

    assert.equal((await tracker.http('DELETE', `/v1/projects/${core}?force=true`)).status, 200);
    const changes = await since(head);
    assert.equal(new Set(changes.map(({ transaction }) => transaction)).size, 1);
    assert.deepEqual(
      [...new Set(changes.map(({ scope, revision }) => `${scope} ${revision}`))],
      [`project_scopes/${core} ${Number(shown.revision) + 1}`],
    );
    const kinds = changes.map(({ entity, kind }) => `${entity} ${kind}`);
    assert.equal(kinds.filter((each) => each === 'issue DELETED').length, 2500);
    assert.deepEqual([kinds.length, kinds.at(-1)], [2502, 'project DELETED']);
    assert.deepEqual(changes.at(-1)!.context, { issue_count: 0, open_issue_count: 0 });
    assert.equal((await tracker.http('GET', `/v1/projects/${web}`)).body.project.issueCount, 3);
    assert.equal((await post('/v1/projects', { name: 'Core' })).body.project.key, 'CORE2', 'the key stays reserved');
    await checkLog(tracker);
  });
});
