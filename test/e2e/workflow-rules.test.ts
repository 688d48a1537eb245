import assert from 'node:assert/strict';
import { type Answer, startTracker, type Tracker } from '../support/tracker.ts';

const table: Readonly<Record<string, readonly string[]>> = {
  NEW: ['ASSIGNED', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'],
  ASSIGNED: ['NEW', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'],
  IN_PROGRESS: ['ASSIGNED', 'RESOLVED', 'CLOSED'],
  RESOLVED: ['CLOSED', 'REOPENED'],
  CLOSED: ['REOPENED'],
  REOPENED: ['ASSIGNED', 'IN_PROGRESS', 'RESOLVED', 'CLOSED'],
};
const statuses = Object.keys(table);
const active = ['ASSIGNED', 'IN_PROGRESS'];
const done = ['RESOLVED', 'CLOSED'];

describe('the default workflow', () => {
  let tracker: Tracker;
  let ann: string;
  let bob: string;
  let projectId: string;
  before(async () => {
    tracker = await startTracker();
    const user = async (name: string) =>
      (await tracker.http('POST', '/v1/users', { name, email: `${name}@example.com` })).body.user.id;
    [ann, bob] = [await user('ann'), await user('bob')];
  });
  beforeEach(async () => {
    projectId = (await tracker.http('POST', '/v1/projects', { name: 'Core' })).body.project.id;
  });
  after(() => tracker.stop());

  const create = (more: object = {}) =>
    tracker.http('POST', '/v1/issues', { projectId, summary: 'It breaks', ...more });
  const transition = (key: string, body: object) => tracker.http('POST', `/v1/issues/${key}:transition`, body);
  const update = (key: string, body: object) => tracker.http('PATCH', `/v1/issues/${key}`, body);
  const read = async (key: string) => (await tracker.http('GET', `/v1/issues/${key}`)).body.issue;
  const counts = async () => {
    const { issueCount, openIssueCount } = (await tracker.http('GET', `/v1/projects/${projectId}`)).body.project;
    return [issueCount, openIssueCount];
  };
  function ok({ status, body }: Answer) {
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
  function refused(answer: Answer, reason?: string) {
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.equal(answer.body.error.status, 'FAILED_PRECONDITION');
    const info = answer.body.error.details.find((each: { reason?: string }) => each.reason);
    if (reason) assert.equal(info.reason, reason);
    return { message: answer.body.error.message, metadata: info.metadata };
  }

  /** The key of a new issue in this status, with this assignee, or with one only where it must have one. */
  async function issueIn(status: string, assignee = active.includes(status) ? ann : ''): Promise<string> {
    const { key } = ok(await create({ assigneeId: assignee })).issue;
    const now = (await read(key)).status;
    if (status === 'REOPENED') {
      ok(await transition(key, { status: 'CLOSED', resolution: 'FIXED' }));
      ok(await transition(key, { status }));
    } else if (status !== now)
      ok(await transition(key, { status, ...(done.includes(status) && { resolution: 'FIXED' }) }));
    const issue = await read(key);
    assert.deepEqual([issue.status, issue.assigneeId], [status, assignee]);
    return key;
  }
  const open = (status: string) => (done.includes(status) ? 0 : 1);
  const resolved = (status: string) => (done.includes(status) ? 'FIXED' : '');

  it('is the one that GetWorkflow shows', async () => {
    const { workflow } = (await tracker.http('GET', `/v1/projects/${projectId}/workflow`)).body;
    const shown = workflow.transitions.map(({ from, to }: { from: string; to: string[] }) => [from, to]);
    assert.deepEqual(Object.fromEntries(shown), table);
    assert.deepEqual(
      workflow.statuses.map(({ name, category }: Record<string, string>) => [name, category]),
      [
        ['NEW', 'OPEN'],
        ['REOPENED', 'OPEN'],
        ['ASSIGNED', 'ACTIVE'],
        ['IN_PROGRESS', 'ACTIVE'],
        ['RESOLVED', 'DONE'],
        ['CLOSED', 'DONE'],
      ],
    );
  });

  for (const from of statuses) {
    it(`tells what is allowed from ${from}, and what that needs`, async () => {
      const key = await issueIn(from);
      const { transitions } = ok(await tracker.http('GET', `/v1/issues/${key}:allowedTransitions`));
      const assigned = active.includes(from);
      assert.deepEqual(
        transitions.map(({ status, missing }: { status: string; missing: string[] }) => [status, missing]),
        table[from]!.map((to) => [
          to,
          [
            ...(active.includes(to) && !assigned ? ['assignee_id'] : []),
            ...(done.includes(to) && !done.includes(from) ? ['resolution'] : []),
          ],
        ]),
      );
    });

    for (const to of statuses)
      if (table[from]!.includes(to))
        it(`moves an issue from ${from} to ${to}`, async () => {
          for (const move of [transition, update]) {
            const key = await issueIn(from);
            const [all, before] = await counts();
            const { issue } = ok(
              await move(key, {
                status: to,
                ...(active.includes(to) && { assigneeId: ann }),
                ...(done.includes(to) && { resolution: 'FIXED' }),
              }),
            );
            assert.deepEqual([issue.status, issue.resolution], [to, resolved(to)]);
            assert.deepEqual(await read(key), issue);
            assert.deepEqual(await counts(), [all, before - open(from) + open(to)]);
          }
        });
      else
        it(`refuses to move an issue from ${from} to ${to}`, async () => {
          const key = await issueIn(from, from === 'NEW' ? '' : ann);
          const before = await read(key);
          const counted = await counts();
          const wish = { status: to, ...(done.includes(to) && { resolution: 'FIXED' }) };
          // An update to where it is already is no move.
          for (const move of from === to ? [transition] : [transition, update]) {
            const { message, metadata } = refused(await move(key, wish), 'TRANSITION_NOT_ALLOWED');
            assert.equal(metadata.allowed, table[from]!.join(','));
            assert.ok(message.endsWith(`: ${table[from]!.join(', ')}`), message);
            assert.deepEqual(await read(key), before);
          }
          assert.deepEqual(await counts(), counted);
        });

    it(`assigns an issue that is ${from}`, async () => {
      const key = await issueIn(from);
      const before = await counts();
      const to = ['NEW', 'REOPENED'].includes(from) ? 'ASSIGNED' : from;
      const { issue, adjustments } = ok(await update(key, { assigneeId: bob }));
      assert.deepEqual([issue.status, issue.assigneeId, issue.resolution], [to, bob, resolved(from)]);
      assert.deepEqual(
        adjustments.map((each: Record<string, string>) => [each['field'], each['from'], each['to']]),
        to === from ? [] : [['status', from, to]],
      );
      assert.deepEqual(await read(key), issue);
      assert.deepEqual(await counts(), before);
    });

    it(`unassigns an issue that is ${from}`, async () => {
      // To be NEW with an assignee, it must have been ASSIGNED.
      const key = await issueIn(from === 'NEW' ? 'ASSIGNED' : from, ann);
      if (from === 'NEW') ok(await transition(key, { status: 'NEW' }));
      const before = await counts();
      const to = active.includes(from) ? 'NEW' : from;
      const { issue, adjustments } = ok(await update(key, { assigneeId: '' }));
      assert.deepEqual([issue.status, issue.assigneeId, issue.resolution], [to, '', resolved(from)]);
      assert.deepEqual(
        adjustments.map((each: Record<string, string>) => [each['field'], each['from'], each['to']]),
        to === from ? [] : [['status', from, to]],
      );
      assert.deepEqual(await read(key), issue);
      assert.deepEqual(await counts(), before);
    });

    it(`takes the assignee from an issue that is ${from} when the user is deleted`, async () => {
      const email = `gone-${from}@example.com`;
      const { id } = ok(await tracker.http('POST', '/v1/users', { name: 'Gone', email })).user;
      const key = await issueIn(from === 'NEW' ? 'ASSIGNED' : from, id);
      if (from === 'NEW') ok(await transition(key, { status: 'NEW' }));
      const before = await counts();
      ok(await tracker.http('DELETE', `/v1/users/${id}`));
      const issue = await read(key);
      const to = active.includes(from) ? 'NEW' : from;
      assert.deepEqual([issue.status, issue.assigneeId, issue.resolution], [to, '', resolved(from)]);
      assert.deepEqual(await counts(), before);
    });
  }

  for (const status of statuses)
    it(`creates an issue as ${status}, where that can be reached from NEW`, async () => {
      const wish = {
        status,
        ...(active.includes(status) && { assigneeId: ann }),
        ...(done.includes(status) && { resolution: 'WONTFIX' }),
      };
      const answer = await create(wish);
      if (status === 'REOPENED') {
        const { metadata } = refused(answer, 'TRANSITION_NOT_ALLOWED');
        assert.equal(metadata.allowed, table['NEW']!.join(','));
        assert.deepEqual(await counts(), [0, 0]);
        return;
      }
      const { issue } = ok(answer);
      assert.deepEqual([issue.status, issue.resolution], [status, done.includes(status) ? 'WONTFIX' : '']);
      assert.deepEqual(await counts(), [1, open(status)]);
      ok(await tracker.http('DELETE', `/v1/issues/${issue.key}`));
      assert.deepEqual(await counts(), [0, 0]);
    });

  it('moves an issue that is created with an assignee to ASSIGNED, and says so, but not a finished one', async () => {
    for (const wish of [{}, { status: 'NEW' }]) {
      const { issue, adjustments } = ok(await create({ assigneeId: ann, ...wish }));
      assert.equal(issue.status, 'ASSIGNED');
      assert.deepEqual([adjustments[0].field, adjustments[0].from, adjustments[0].to], ['status', 'NEW', 'ASSIGNED']);
    }
    const { issue } = ok(await create({ assigneeId: ann, status: 'RESOLVED', resolution: 'FIXED' }));
    assert.deepEqual([issue.status, issue.assigneeId], ['RESOLVED', ann]);
    assert.deepEqual(await counts(), [3, 2]);
  });

  it('needs an assignee for ASSIGNED and IN_PROGRESS, and a resolution for RESOLVED and CLOSED', async () => {
    for (const [guarded, field] of [
      ...active.map((status) => [status, 'assignee_id'] as const),
      ...done.map((status) => [status, 'resolution'] as const),
    ]) {
      assert.match(refused(await create({ status: guarded })).message, new RegExp(field));
      for (const from of ['NEW', 'REOPENED']) {
        const key = await issueIn(from);
        const before = await read(key);
        for (const move of [transition, update])
          assert.match(refused(await move(key, { status: guarded })).message, new RegExp(field));
        assert.deepEqual(await read(key), before);
      }
    }
    for (const from of active) {
      const key = await issueIn(from);
      for (const to of done) assert.match(refused(await transition(key, { status: to })).message, /resolution/);
      const other = from === 'ASSIGNED' ? 'IN_PROGRESS' : 'ASSIGNED';
      const { issue } = ok(await transition(key, { status: other, assigneeId: '' }));
      assert.equal(issue.assigneeId, ann, 'in a transition an empty assignee is the stored one');
    }
  });

  it('keeps an assignee who is replaced in the status', async () => {
    for (const status of active) {
      const key = await issueIn(status);
      const { issue, adjustments } = ok(await update(key, { assigneeId: bob }));
      assert.deepEqual([issue.status, issue.assigneeId, adjustments], [status, bob, []]);
    }
  });

  it('keeps the resolution from RESOLVED to CLOSED, or takes another, and clears it on reopening', async () => {
    for (const [wish, kept] of [
      [{}, 'INVALID'],
      [{ resolution: 'WORKSFORME' }, 'WORKSFORME'],
    ] as const) {
      const { key } = ok(await create({ status: 'RESOLVED', resolution: 'INVALID' })).issue;
      const closed = ok(await transition(key, { status: 'CLOSED', ...wish }));
      assert.deepEqual([closed.issue.resolution, closed.adjustments], [kept, []]);
      const reopened = ok(await transition(key, { status: 'REOPENED' }));
      assert.equal(reopened.issue.resolution, '');
      assert.deepEqual(
        reopened.adjustments.map((each: Record<string, string>) => [each['field'], each['from'], each['to']]),
        [['resolution', kept, '']],
      );
      assert.equal((await read(key)).resolution, '');
      assert.match(refused(await transition(key, { status: 'CLOSED' })).message, /resolution/);
    }
  });

  it('lets a resolution be changed while an issue is done, and never taken away or given otherwise', async () => {
    for (const status of done) {
      const key = await issueIn(status);
      assert.equal(ok(await update(key, { resolution: 'WONTFIX' })).issue.resolution, 'WONTFIX');
      assert.match(refused(await update(key, { resolution: '' })).message, /resolution/);
      assert.equal((await read(key)).resolution, 'WONTFIX');
    }
    for (const status of statuses.filter((each) => !done.includes(each))) {
      const key = await issueIn(status);
      const { status: code, body } = await update(key, { resolution: 'FIXED' });
      assert.equal(code, 400);
      assert.match(JSON.stringify(body.error), /resolution/);
      assert.equal((await read(key)).resolution, '');
    }
  });

  it('counts an open issue that is deleted, and not one that is done', async () => {
    for (const status of statuses) {
      const key = await issueIn(status);
      assert.deepEqual(await counts(), [1, open(status)]);
      ok(await tracker.http('DELETE', `/v1/issues/${key}`));
      assert.deepEqual(await counts(), [0, 0]);
    }
  });
});
