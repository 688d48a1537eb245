import assert from 'node:assert/strict';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

const NOBODY = '01900000-0000-7000-8000-000000000000';

describe('issues', () => {
  let tracker: Tracker;
  let project: { id: string; key: string };
  let ann: string;
  beforeEach(async () => {
    tracker = await startTracker();
    project = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body.project;
    ann = (await tracker.http('POST', '/v1/users', { name: 'Ann', email: 'ann@example.com' })).body.user.id;
  });
  afterEach(() => tracker.stop());

  const create = (more: object = {}) =>
    tracker.http('POST', '/v1/issues', { projectId: project.id, summary: 'It breaks', ...more });
  const transition = (key: string, body: object) => tracker.http('POST', `/v1/issues/${key}:transition`, body);

  it('numbers issues without gaps, also when a create fails or an issue is deleted', async () => {
    assert.equal((await create()).body.issue.key, 'CORE-1');
    assert.equal((await create({ assigneeId: NOBODY })).status, 400);
    assert.equal((await create({ type: 'STORY' })).status, 400);
    assert.equal((await create()).body.issue.key, 'CORE-2');
    await tracker.http('DELETE', '/v1/issues/CORE-2');
    assert.equal((await create()).body.issue.key, 'CORE-3');
  });

  it('gives parallel creates numbers without gap or twin', async () => {
    const made = await Promise.all(Array.from({ length: 50 }, () => create()));
    const numbers = made.map(({ body }) => Number(body.issue.key.split('-')[1])).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: 50 }, (_, i) => i + 1),
    );
    assert.equal((await tracker.http('GET', `/v1/projects/${project.id}`)).body.project.issueCount, 50);
  });

  it('is found by id and by key, in any letter case, with details when asked', async () => {
    const { body } = await create({ assigneeId: ann });
    const details = await tracker.http('GET', '/v1/issues/core-1?include_details=true');
    assert.equal(details.body.issue.id, body.issue.id);
    assert.equal(details.body.details.project.key, 'CORE');
    assert.equal(details.body.details.assignee.email, 'ann@example.com');
    const plain = await tracker.grpc(IssueServiceService.getIssue, { id: body.issue.id.toUpperCase() });
    assert.equal(plain.issue?.key, 'CORE-1');
    assert.equal(plain.details, undefined);
  });

  it('follows the default workflow and lists what is allowed', async () => {
    await create();
    const needed = await transition('CORE-1', { status: 'RESOLVED' });
    assert.equal(needed.status, 400);
    assert.equal(needed.body.error.status, 'FAILED_PRECONDITION');
    assert.match(needed.body.error.message, /resolution/);
    const done = await transition('CORE-1', { status: 'RESOLVED', resolution: 'FIXED' });
    assert.equal(done.body.issue.resolution, 'FIXED');
    const refused = await transition('CORE-1', { status: 'IN_PROGRESS', assigneeId: ann });
    assert.equal(refused.body.error.details[0].reason, 'TRANSITION_NOT_ALLOWED');
    assert.equal(refused.body.error.details[0].metadata.allowed, 'CLOSED,REOPENED');
    assert.match(refused.body.error.message, /CLOSED, REOPENED/);
    const closed = await transition('CORE-1', { status: 'CLOSED' });
    assert.equal(closed.body.issue.resolution, 'FIXED');
    const reopened = await transition('CORE-1', { status: 'REOPENED' });
    assert.equal(reopened.body.issue.resolution, '');
    assert.deepEqual(
      reopened.body.adjustments.map(({ field, from, to }: Record<string, string>) => [field, from, to]),
      [['resolution', 'FIXED', '']],
    );
  });

  it('refuses to stay where it is by a transition', async () => {
    await create();
    const { body } = await transition('CORE-1', { status: 'NEW' });
    assert.equal(body.error.details[0].reason, 'TRANSITION_NOT_ALLOWED');
  });

  it('moves with its assignee and says so', async () => {
    const assigned = await create({ assigneeId: ann });
    assert.equal(assigned.body.issue.status, 'ASSIGNED');
    assert.equal(assigned.body.adjustments[0].to, 'ASSIGNED');
    await transition('CORE-1', { status: 'IN_PROGRESS' });
    const freed = await tracker.http('PATCH', '/v1/issues/CORE-1', { assigneeId: '' });
    assert.equal(freed.body.issue.status, 'NEW');
    assert.equal(freed.body.adjustments[0].from, 'IN_PROGRESS');
    const needs = await transition('CORE-1', { status: 'IN_PROGRESS' });
    assert.match(needs.body.error.message, /assignee_id/);
  });

  it('goes on to ASSIGNED when it is assigned while it is sent to an open status', async () => {
    await create({ status: 'CLOSED', resolution: 'FIXED' });
    const { body } = await transition('CORE-1', { status: 'REOPENED', assigneeId: ann });
    assert.equal(body.issue.status, 'ASSIGNED');
    assert.deepEqual(
      body.adjustments.map(({ field, from, to }: Record<string, string>) => [field, from, to]),
      [
        ['status', 'REOPENED', 'ASSIGNED'],
        ['resolution', 'FIXED', ''],
      ],
    );
    const unassigned = await tracker.http('PATCH', '/v1/issues/CORE-1', { status: 'ASSIGNED', assigneeId: null });
    assert.equal(unassigned.body.issue.status, 'NEW');
  });

  it('tells allowed transitions and what each still needs', async () => {
    await create();
    const { body } = await tracker.http('GET', '/v1/issues/CORE-1:allowedTransitions');
    assert.deepEqual(
      body.transitions.map((each: { status: string; missing: string[] }) => [each.status, each.missing]),
      [
        ['ASSIGNED', ['assignee_id']],
        ['IN_PROGRESS', ['assignee_id']],
        ['RESOLVED', ['resolution']],
        ['CLOSED', ['resolution']],
      ],
    );
  });

  it('checks a status that is changed by an update like a transition', async () => {
    await create();
    const refused = await tracker.http('PATCH', '/v1/issues/CORE-1', { status: 'REOPENED' });
    assert.equal(refused.body.error.details[0].reason, 'TRANSITION_NOT_ALLOWED');
    const done = await tracker.http('PATCH', '/v1/issues/CORE-1', { status: 'CLOSED', resolution: 'WONTFIX' });
    assert.equal(done.body.issue.status, 'CLOSED');
  });

  it('patches only the summary', async () => {
    await create({ description: 'long story', priority: 'MINOR', dueAt: '2030-01-02T03:04:05.000006Z' });
    const { body } = await tracker.http('PATCH', '/v1/issues/CORE-1', { summary: 'Shorter' });
    assert.equal(body.issue.summary, 'Shorter');
    assert.equal(body.issue.description, 'long story');
    assert.equal(body.issue.priority, 'MINOR');
    assert.equal(body.issue.dueAt, '2030-01-02T03:04:05.000006Z');
    const cleared = await tracker.http('PATCH', '/v1/issues/CORE-1', { dueAt: null });
    assert.equal(cleared.body.issue.dueAt ?? null, null);
    assert.equal(cleared.body.issue.summary, 'Shorter');
  });

  it('lets one of many writers with the same etag win', async () => {
    const { body } = await create();
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, i) =>
        tracker.http('PATCH', '/v1/issues/CORE-1', { summary: `writer ${i}` }, { 'if-match': `"${body.issue.etag}"` }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(answers.filter(({ status }) => status === 412).length, 15);
  });

  it('names the project or assignee that does not exist, and refuses an inactive assignee', async () => {
    const fieldOf = (answer: { body: { error: { details: { fieldViolations?: { field: string }[] }[] } } }) =>
      answer.body.error.details.flatMap((detail) => detail.fieldViolations ?? [])[0]?.field;
    assert.equal(fieldOf(await create({ projectId: NOBODY })), 'project_id');
    assert.equal(fieldOf(await create({ assigneeId: NOBODY })), 'assignee_id');
    await tracker.http('POST', `/v2/users/${ann}:deactivate`, {});
    assert.equal(fieldOf(await create({ assigneeId: ann })), 'assignee_id');
    assert.equal((await tracker.http('GET', `/v1/issues/${NOBODY}`)).status, 404);
    assert.equal((await tracker.http('GET', '/v1/issues/CORE-99')).status, 404);
  });

  it('loses its assignee with the user, as an event of its own', async () => {
    await create({ assigneeId: ann });
    await tracker.http('DELETE', `/v1/users/${ann}`);
    const { body } = await tracker.http('GET', '/v1/issues/CORE-1');
    assert.equal(body.issue.assigneeId, '');
    assert.equal(body.issue.status, 'NEW');
    const history = await tracker.http('GET', '/v1/issues/CORE-1/history');
    assert.deepEqual(
      history.body.entries.at(-1).changes.map((change: { field: string }) => change.field),
      ['status', 'assignee_id'],
    );
  });

  it('tells who changed what from what to what, also after it was deleted', async () => {
    const { body } = await create({ dueAt: '2030-01-01T00:00:00Z' });
    await tracker.http('PATCH', '/v1/issues/CORE-1', { summary: 'New summary', dueAt: null });
    await transition('CORE-1', { status: 'CLOSED', resolution: 'INVALID' });
    await tracker.http('DELETE', '/v1/issues/CORE-1');
    assert.equal((await tracker.http('GET', `/v1/issues/${body.issue.id}/history`)).body.entries.length, 4);
    const entries = [];
    let token = '';
    do {
      const page = await tracker.http('GET', `/v1/issues/CORE-1/history?page_size=2&page_token=${token}`);
      entries.push(...page.body.entries);
      token = page.body.nextPageToken;
    } while (token !== '');
    assert.deepEqual(
      entries.map((entry) => entry.kind),
      ['CREATED', 'UPDATED', 'UPDATED', 'DELETED'],
    );
    assert.deepEqual(entries[1].changes, [
      { field: 'summary', from: 'It breaks', to: 'New summary' },
      { field: 'due_at', from: '2030-01-01T00:00:00Z', to: '' },
    ]);
    const revisions = entries.map((entry) => Number(entry.revision));
    assert.deepEqual(
      revisions,
      revisions.map((_, i) => (revisions[0] ?? 0) + i),
    );
    const kinds = async (query: Record<string, string>) => {
      const { status, body } = await tracker.http('GET', `/v1/issues/CORE-1/history?${new URLSearchParams(query)}`);
      return status === 200 ? body.entries.map((entry: { kind: string }) => entry.kind) : [status, body.error.message];
    };
    assert.deepEqual(await kinds({ order_by: 'time desc' }), ['DELETED', 'UPDATED', 'UPDATED', 'CREATED']);
    assert.deepEqual(await kinds({ filter: `kind != UPDATED AND revision > ${revisions[0]}` }), ['DELETED']);
    assert.deepEqual(await kinds({ filter: 'time < now-1d' }), []);
    assert.deepEqual(await kinds({ filter: 'kind = MOVED' }), [
      400,
      'filter: at position 8: expected one of: CREATED, UPDATED, DELETED',
    ]);
    assert.deepEqual((await kinds({ order_by: 'kind' }))[0], 400);
    assert.equal((await tracker.http('GET', '/v1/issues/CORE-99/history?filter=kind%20=%20CREATED')).status, 404);
  });

  it('lists by filter, order and search, and refuses a page token of another filter', async () => {
    await create({ summary: 'login is slow', priority: 'MINOR', type: 'PERFORMANCE' });
    await create({ summary: 'login fails', priority: 'CRITICAL' });
    await create({ summary: 'typo', type: 'COSMETIC', description: 'on the LOGIN page', priority: 'MAJOR' });
    await create({ summary: 'other', priority: 'CRITICAL', dueAt: '2030-01-01T00:00:00Z' });
    const keys = async (query: Record<string, string>) => {
      const { status, body } = await tracker.http('GET', `/v1/issues?${new URLSearchParams(query)}`);
      assert.equal(status, 200, JSON.stringify(body));
      return body.issues.map((issue: { key: string }) => Number(issue.key.slice(5)));
    };
    const project_id = project.id;
    assert.deepEqual(await keys({ filter: 'priority = CRITICAL' }), [2, 4]);
    assert.deepEqual(await keys({ project_id, filter: 'priority = CRITICAL AND type = BUG' }), [2, 4]);
    assert.deepEqual(await keys({ project_id, order_by: 'priority' }), [2, 4, 3, 1]);
    assert.deepEqual(await keys({ project_id, order_by: 'number desc' }), [4, 3, 2, 1]);
    assert.deepEqual(await keys({ project_id, order_by: 'due_at' }), [4, 1, 2, 3]);
    assert.deepEqual(await keys({ filter: 'summary = "login*"' }), [1, 2]);
    assert.deepEqual(await keys({ filter: 'summary = "*s*" AND NOT summary = "* fails"' }), [1]);
    assert.deepEqual(await keys({ filter: 'description:"*LOGIN*"' }), [3]);
    assert.deepEqual(
      await keys({ filter: 'status = NEW AND (priority = CRITICAL OR priority = MAJOR) AND created_at > now-7d' }),
      [2, 3, 4],
    );
    assert.deepEqual(await keys({ filter: 'priority = CRITICAL OR priority = MAJOR type = BUG' }), [2, 4]);
    await transition('CORE-4', { status: 'CLOSED', resolution: 'FIXED' });
    assert.deepEqual(await keys({ project_id, filter: 'category = OPEN' }), [1, 2, 3]);
    assert.deepEqual(await keys({ project_id, filter: 'NOT category = OPEN' }), [4]);
    assert.deepEqual(await keys({ project_id, filter: 'category != DONE AND priority = MINOR' }), [1]);
    // With a wildcard the same within a project as without one.
    for (const [filter, expected] of [
      ['status = "NE*"', [1, 2, 3]],
      ['priority = "M*R" type != "B*"', [1, 3]],
      ['resolution = "FIX*"', [4]],
      ['status = "REV*"', []],
    ] as const) {
      assert.deepEqual(await keys({ filter }), expected, filter);
      assert.deepEqual(await keys({ project_id, filter }), expected, filter);
    }
    for (const [query, expected] of [
      [{ project_id, filter: 'category = "OP*"' }, /position 12: expected one of: OPEN, .* without a wildcard/],
      [{ project_id, filter: 'category = NEW' }, /position 12: expected one of: OPEN, ACTIVE, DONE/],
      [{ project_id, filter: 'status = REVIEW' }, /position 10: expected one of: NEW, REOPENED/],
      [{ project_id, filter: 'resolution = SHIPPED' }, /expected one of: FIXED/],
      [{ filter: 'category = OPEN' }, /expected a field/],
    ] as const) {
      const { status, body } = await tracker.http('GET', `/v1/issues?${new URLSearchParams(query)}`);
      assert.equal(status, 400);
      assert.match(body.error.message, expected);
    }
    assert.deepEqual(await keys({ filter: 'status = REVIEW' }), []);
    assert.deepEqual(await keys({ search: 'login' }), [1, 2, 3]);
    assert.deepEqual(await keys({ search: 'login sl', project_id }), [1]);
    assert.deepEqual(await keys({ filter: 'due_at >= "2029-06-01T00:00:00Z"' }), [4]);
    const nested = await tracker.http('GET', `/v1/projects/${project.id}/issues?page_size=1`);
    assert.equal(nested.body.issues.length, 1);
    const foreign = await tracker.http(
      'GET',
      `/v1/issues?filter=type%20%3D%20BUG&page_token=${nested.body.nextPageToken}`,
    );
    assert.equal(foreign.status, 400);
  });

  it('refuses a page token of a list by priority once the priorities have another order', async () => {
    for (const priority of ['CRITICAL', 'MINOR', 'MAJOR']) await create({ priority });
    const list = async (token: string) => {
      const query = new URLSearchParams({
        project_id: project.id,
        order_by: 'priority',
        page_size: '1',
        page_token: token,
      });
      return tracker.http('GET', `/v1/issues?${query}`);
    };
    const { nextPageToken } = (await list('')).body;
    assert.equal((await list(nextPageToken)).body.issues[0].priority, 'MAJOR');
    const priorities = ['MINOR', 'IMPORTANT', 'MAJOR', 'CRITICAL'];
    assert.equal((await tracker.http('PATCH', `/v1/projects/${project.id}/workflow`, { priorities })).status, 200);
    const { status, body } = await list(nextPageToken);
    assert.deepEqual([status, body.error?.details[1].fieldViolations[0].field], [400, 'page_token']);
    assert.equal((await list('')).body.issues[0].priority, 'MINOR');
  });

  it('ends a page before it passes three megabytes, and loses nothing', async () => {
    const description = 'ü'.repeat(20_000);
    for (let i = 0; i < 100; i += 1) await create({ description });
    let seen = 0;
    let token = '';
    let pages = 0;
    do {
      const page = await tracker.grpc(IssueServiceService.listIssues, { pageSize: 1000, pageToken: token });
      seen += page.issues.length;
      pages += 1;
      token = page.nextPageToken;
    } while (token !== '');
    assert.equal(seen, 100);
    assert.ok(pages > 1, `${pages} pages`);
  });
});
