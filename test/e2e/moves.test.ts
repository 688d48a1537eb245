import assert from 'node:assert/strict';
import { IssueServiceService as Issues } from '../../proto/gen/issue/v1/issue.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { type Answer, type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

/** A workflow that shares only the status NEW and the priorities with the default one. */
const small = {
  types: ['STORY', 'CHORE'],
  statuses: [
    { name: 'NEW', category: 'OPEN' },
    { name: 'DOING', category: 'ACTIVE', guards: ['ASSIGNEE'] },
    { name: 'REVIEW', category: 'ACTIVE' },
    { name: 'OVER', category: 'DONE', guards: ['RESOLUTION'] },
  ],
  resolutions: ['SHIPPED'],
  transitions: [
    { from: 'NEW', to: ['DOING', 'REVIEW', 'OVER'] },
    { from: 'DOING', to: ['REVIEW', 'OVER'] },
    { from: 'REVIEW', to: ['OVER'] },
  ],
  assignedStatus: 'DOING',
};
const mapping = (field: string, from: string, to: string) => ({ field, from, to });

describe('an issue that is moved to another project', () => {
  let tracker: Tracker;
  let ann: string;
  let core: string;
  let web: string;
  before(async () => {
    tracker = await startTracker();
    ann = ok(await tracker.http('POST', '/v1/users', { name: 'Ann', email: 'ann@example.com' })).user.id;
  });
  let made = 0;
  beforeEach(async () => {
    made += 1;
    core = await project(`C${made}`.padEnd(3, 'X'));
    web = await project(`W${made}`.padEnd(3, 'X'));
  });
  afterEach(() => checkLog(tracker));
  after(() => tracker.stop());

  const project = async (key: string) =>
    ok(await tracker.http('POST', '/v1/projects', { name: key, key })).project.id as string;
  const create = async (projectId: string, more: object = {}) =>
    ok(await tracker.http('POST', '/v1/issues', { projectId, summary: 'It breaks', ...more })).issue;
  const move = (name: string, projectId: string, more: object = {}, headers?: Record<string, string>) =>
    tracker.http('POST', `/v1/issues/${name}:move`, { projectId, ...more }, headers);
  const read = async (name: string) => ok(await tracker.http('GET', `/v1/issues/${name}`)).issue;
  const history = async (name: string) => ok(await tracker.http('GET', `/v1/issues/${name}/history`)).entries;
  const counts = async (projectId: string) => {
    const { issueCount, openIssueCount } = ok(await tracker.http('GET', `/v1/projects/${projectId}`)).project;
    return [issueCount, openIssueCount];
  };
  const number = ({ key }: { key: string }) => Number(key.split('-')[1]);
  function ok({ status, body }: Answer) {
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
  function refused({ status, body }: Answer) {
    assert.ok(body.error, JSON.stringify(body));
    const detail = (type: string) => body.error.details.find((each: object) => JSON.stringify(each).includes(type));
    const { reason, metadata } = detail('ErrorInfo');
    const fields = (detail('BadRequest')?.fieldViolations ?? []).map(({ field }: { field: string }) => field);
    return { http: status, status: body.error.status, reason, metadata, fields };
  }

  it('gets the next key there, and goes on as it was', async () => {
    const [issue, other] = [await create(core, { assigneeId: ann, priority: 'MINOR' }), await create(web)];
    // Through the cache, which has to forget it.
    assert.deepEqual(await read(issue.id), issue);
    const { issue: moved, adjustments } = ok(await move(issue.key, web));
    assert.deepEqual(moved, {
      ...issue,
      projectId: web,
      key: other.key.replace('-1', '-2'),
      etag: moved.etag,
      updatedAt: moved.updatedAt,
    });
    assert.deepEqual([adjustments, await read(issue.id), await read(moved.key)], [[], moved, moved]);
    assert.ok(moved.etag !== issue.etag && moved.updatedAt > issue.updatedAt);
    assert.deepEqual(
      [await counts(core), await counts(web)],
      [
        [0, 0],
        [2, 2],
      ],
    );
    const [listed] = ok(await tracker.http('GET', `/v1/projects/${web}/issues?order_by=number%20desc`)).issues;
    assert.deepEqual(listed, moved);
  });

  it('answers to its former keys for ever, whatever is called, and no other issue gets one', async () => {
    const issue = await create(core);
    const old = issue.key.toLowerCase();
    ok(await move(old, web));
    const changed = ok(await tracker.http('PATCH', `/v1/issues/${old}`, { summary: 'still here' })).issue;
    assert.deepEqual([changed.id, changed.projectId], [issue.id, web]);
    ok(await tracker.http('POST', `/v1/issues/${old}:transition`, { status: 'RESOLVED', resolution: 'FIXED' }));
    const { transitions } = ok(await tracker.http('GET', `/v1/issues/${old}:allowedTransitions`));
    assert.deepEqual(
      transitions.map(({ status }: { status: string }) => status),
      ['CLOSED', 'REOPENED'],
    );
    const batch = { requests: [{ id: old, description: 'by the batch' }] };
    assert.equal(ok(await tracker.http('POST', '/v1/issues:batchUpdate', batch)).errorCount, 0);
    assert.equal(number(await create(core)), 2);

    const back = ok(await move(old, core)).issue;
    assert.equal(number(back), 3, 'numbers have no gap and none comes back');
    for (const name of [old, changed.key, back.key]) assert.deepEqual(await read(name), back);
    const entries = await history(old);
    assert.equal(entries.length, 6);
    ok(await tracker.http('DELETE', `/v1/issues/${old}`));
    for (const name of [old, changed.key, back.key]) {
      assert.equal((await tracker.http('GET', `/v1/issues/${name}`)).status, 404);
      assert.deepEqual((await history(name)).slice(0, -1), entries);
    }
    assert.deepEqual(
      [await counts(core), await counts(web)],
      [
        [1, 1],
        [0, 0],
      ],
    );
  });

  it('has one entry of it in its history, and each project one event', async () => {
    const issue = await create(core);
    const head = (await readLog(tracker)).length;
    const { issue: moved } = ok(await move(issue.id, web));
    const events = (await readLog(tracker)).slice(head);
    assert.deepEqual(
      events.map(({ kind, entityId, scope, fields }) => [kind, entityId, scope, fields]),
      [core, web].map((id) => ['UPDATED', issue.id, `project_scopes/${id}`, ['key', 'project_id']]),
    );
    assert.deepEqual(events[0]!.after, events[1]!.after);
    assert.deepEqual(events[0]!.context, { issue_count: 0, open_issue_count: 0 });
    assert.deepEqual(events[1]!.context, { issue_count: 1, open_issue_count: 1 });
    const [, entry, ...more] = await history(issue.id);
    assert.deepEqual(entry.changes, [
      { field: 'key', from: issue.key, to: moved.key },
      { field: 'project_id', from: core, to: web },
    ]);
    assert.deepEqual(more, []);
  });

  it('needs a mapping for what the other workflow lacks, and is told all of it', async () => {
    ok(await tracker.http('PATCH', `/v1/projects/${web}/workflow`, small));
    const issue = await create(core, { type: 'FEATURE', status: 'RESOLVED', resolution: 'WONTFIX' });
    const refusal = refused(await move(issue.key, web));
    assert.deepEqual(
      [refusal.status, refusal.reason, refusal.metadata],
      ['FAILED_PRECONDITION', 'WORKFLOW_VALUE_MISSING', { type: 'FEATURE', status: 'RESOLVED', resolution: 'WONTFIX' }],
    );
    const mappings = [mapping('type', 'FEATURE', 'CHORE'), mapping('status', 'RESOLVED', 'OVER')];
    assert.deepEqual(refused(await move(issue.key, web, { mappings })).metadata, { resolution: 'WONTFIX' });
    assert.deepEqual(await read(issue.key), issue);
    assert.deepEqual(
      [await counts(core), await counts(web)],
      [
        [1, 0],
        [0, 0],
      ],
    );

    // More may be mapped than the issue has, as for a whole workflow.
    mappings.push(mapping('resolution', 'WONTFIX', 'SHIPPED'), mapping('type', 'BUG', 'STORY'));
    const { issue: moved } = ok(await move(issue.key, web, { mappings }));
    assert.deepEqual([moved.type, moved.status, moved.resolution], ['CHORE', 'OVER', 'SHIPPED']);
    assert.deepEqual(
      [await counts(core), await counts(web)],
      [
        [0, 0],
        [1, 0],
      ],
    );
    assert.deepEqual(
      (await history(issue.key)).at(-1).changes.map(({ field }: { field: string }) => field),
      ['key', 'project_id', 'type', 'status', 'resolution'],
    );
  });

  it('loses its resolution where it is not done, says so, and needs no mapping of it', async () => {
    ok(await tracker.http('PATCH', `/v1/projects/${web}/workflow`, small));
    const issue = await create(core, { status: 'CLOSED', resolution: 'INVALID' });
    const mappings = [mapping('type', 'BUG', 'STORY'), mapping('status', 'CLOSED', 'REVIEW')];
    const { issue: moved, adjustments } = ok(await move(issue.key, web, { mappings }));
    assert.deepEqual([moved.status, moved.resolution], ['REVIEW', '']);
    assert.deepEqual(
      adjustments.map((each: Record<string, string>) => [each['field'], each['from'], each['to']]),
      [['resolution', 'INVALID', '']],
    );
    assert.deepEqual(
      [await counts(core), await counts(web)],
      [
        [0, 0],
        [1, 1],
      ],
    );
  });

  it('does not come into a status for which it lacks something', async () => {
    ok(await tracker.http('PATCH', `/v1/projects/${web}/workflow`, small));
    const issue = await create(core, { status: 'RESOLVED', resolution: 'FIXED' });
    const to = (status: string) =>
      move(issue.key, web, { mappings: [mapping('type', 'BUG', 'STORY'), mapping('status', 'RESOLVED', status)] });
    const refusal = refused(await to('DOING'));
    assert.deepEqual(
      [refusal.status, refusal.reason, refusal.metadata],
      ['FAILED_PRECONDITION', 'TRANSITION_GUARD', { status: 'DOING', missing: 'assignee_id' }],
    );
    assert.deepEqual(await read(issue.key), issue);
    ok(await tracker.http('PATCH', `/v1/issues/${issue.key}`, { assigneeId: ann }));
    assert.equal(ok(await to('DOING')).issue.status, 'DOING');
  });

  it('takes no mapping of what both workflows have, or of what neither has', async () => {
    ok(await tracker.http('PATCH', `/v1/projects/${web}/workflow`, small));
    const issue = await create(core);
    const mappings = [
      mapping('type', 'BUG', 'STORY'),
      mapping('status', 'NEW', 'OVER'),
      mapping('type', 'NEVER', 'STORY'),
      mapping('type', 'FEATURE', 'SAGA'),
    ];
    const refusal = refused(await move(issue.key, web, { mappings }));
    assert.deepEqual(
      [refusal.status, refusal.fields],
      ['INVALID_ARGUMENT', ['mappings[1].from', 'mappings[2].from', 'mappings[3].to']],
    );
  });

  it('does not go where it is, to or from what is archived, or to what is not there', async () => {
    const issue = await create(core);
    const here = refused(await move(issue.key, core));
    assert.deepEqual(
      [here.status, here.reason, here.fields],
      ['INVALID_ARGUMENT', 'ALREADY_IN_PROJECT', ['project_id']],
    );
    const nowhere = refused(await move(issue.key, '01900000-0000-7000-8000-000000000000'));
    assert.deepEqual(
      [nowhere.status, nowhere.reason, nowhere.fields],
      ['INVALID_ARGUMENT', 'PROJECT_NOT_FOUND', ['project_id']],
    );
    assert.deepEqual(refused(await move(issue.key, 'web')).fields, ['project_id']);
    assert.equal(refused(await move('NONE-1', web)).status, 'NOT_FOUND');
    for (const archived of [core, web]) {
      ok(await tracker.http('POST', `/v1/projects/${archived}:archive`, {}));
      assert.equal(refused(await move(issue.key, web)).reason, 'PROJECT_ARCHIVED');
      ok(await tracker.http('POST', `/v1/projects/${archived}:unarchive`, {}));
    }
    assert.deepEqual(await read(issue.key), issue);
  });

  it('moves only as it was read, where an etag is sent', async () => {
    const issue = await create(core);
    const { etag } = ok(await tracker.http('PATCH', `/v1/issues/${issue.key}`, { summary: 'New' })).issue;
    const stale = refused(await move(issue.key, web, {}, { 'if-match': `"${issue.etag}"` }));
    assert.deepEqual([stale.http, stale.reason], [412, 'ETAG_MISMATCH']);
    await assert.rejects(
      tracker.grpc(Issues.moveIssue, { id: issue.key, projectId: web, etag: issue.etag }),
      ({ reason }: CallFailure) => reason === 'ETAG_MISMATCH',
    );
    const moved = await tracker.grpc(Issues.moveIssue, { id: issue.key, projectId: web.toUpperCase(), etag });
    assert.equal(moved.issue?.projectId, web);
  });

  it('is moved once by a request that is sent twice', async () => {
    const issue = await create(core);
    const body = { requestId: `move-${issue.id}` };
    const first = ok(await move(issue.key, web, body));
    assert.deepEqual(ok(await move(issue.key, web, body)), first);
    assert.equal(number(await create(web)), 2);
  });

  it('crosses others that come the other way', async () => {
    const issues = await Promise.all(Array.from({ length: 20 }, (_, i) => create(i % 2 ? core : web)));
    const answers = await Promise.all(issues.map(({ key, projectId }) => move(key, projectId === core ? web : core)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    for (const id of [core, web]) assert.deepEqual(await counts(id), [10, 10]);
    assert.deepEqual(
      answers.map(({ body }) => number(body.issue)).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => 11 + (i >> 1)),
    );
  });
});
