import assert from 'node:assert/strict';
import { IssueServiceService as Issues } from '../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService as Projects, type UpdateWorkflowRequest } from '../../proto/gen/project/v1/project.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { storageThatReads } from '../support/storage.ts';
import { type Answer, type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

/** A small workflow that shares no status with the default one. */
const small = {
  types: ['STORY', 'CHORE'],
  priorities: ['HIGH', 'LOW'],
  defaultPriority: 'LOW',
  statuses: [
    { name: 'TODO', category: 'OPEN', guards: [] },
    { name: 'DOING', category: 'ACTIVE', guards: ['ASSIGNEE'] },
    { name: 'REVIEW', category: 'ACTIVE', guards: [] },
    { name: 'OVER', category: 'DONE', guards: ['RESOLUTION'] },
  ],
  initialStatus: 'TODO',
  resolutions: ['SHIPPED', 'DROPPED'],
  transitions: [
    { from: 'TODO', to: ['DOING', 'REVIEW', 'OVER'] },
    { from: 'DOING', to: ['REVIEW', 'TODO'] },
    { from: 'REVIEW', to: ['OVER', 'DOING'] },
    { from: 'OVER', to: ['TODO'] },
  ],
  assignedStatus: 'DOING',
  unassignedStatus: 'TODO',
};
const withoutReview = {
  statuses: small.statuses.filter(({ name }) => name !== 'REVIEW'),
  transitions: [
    { from: 'TODO', to: ['DOING', 'OVER'] },
    { from: 'DOING', to: ['TODO', 'OVER'] },
    { from: 'OVER', to: ['TODO'] },
  ],
};
const statusesWith = (name: string, change: object) =>
  small.statuses.map((status) => (status.name === name ? { ...status, ...change } : status));

describe('a workflow of a project’s own', () => {
  let tracker: Tracker;
  let ann: string;
  let projectId: string;
  before(async () => {
    tracker = await startTracker();
    ann = ok(await tracker.http('POST', '/v1/users', { name: 'Ann', email: 'ann@example.com' })).user.id;
  });
  beforeEach(async () => {
    projectId = ok(await tracker.http('POST', '/v1/projects', { name: 'Core' })).project.id;
  });
  afterEach(() => checkLog(tracker));
  after(() => tracker.stop());

  const workflow = async () => ok(await tracker.http('GET', `/v1/projects/${projectId}/workflow`)).workflow;
  const update = (body: object, headers?: Record<string, string>) =>
    tracker.http('PATCH', `/v1/projects/${projectId}/workflow`, body, headers);
  const updateByGrpc = (request: Partial<UpdateWorkflowRequest>) =>
    tracker.grpc(Projects.updateWorkflow, { projectId, ...request });
  const create = async (more: object = {}) =>
    ok(await tracker.http('POST', '/v1/issues', { projectId, summary: 'It breaks', ...more })).issue;
  const transition = async (key: string, body: object) =>
    ok(await tracker.http('POST', `/v1/issues/${key}:transition`, body)).issue;
  const read = async (key: string) => ok(await tracker.http('GET', `/v1/issues/${key}`)).issue;
  const lastChanges = async (key: string) =>
    ok(await tracker.http('GET', `/v1/issues/${key}/history`)).entries.at(-1).changes;
  const openCount = async () => ok(await tracker.http('GET', `/v1/projects/${projectId}`)).project.openIssueCount;
  function ok({ status, body }: Answer) {
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
  function refused({ body }: Answer) {
    assert.ok(body.error, JSON.stringify(body));
    const detail = (type: string) => body.error.details.find((each: object) => JSON.stringify(each).includes(type));
    const { reason, metadata } = detail('ErrorInfo');
    const violations: { field: string; description: string }[] = detail('BadRequest')?.fieldViolations ?? [];
    return { status: body.error.status, reason, metadata, violations, fields: violations.map(({ field }) => field) };
  }

  it('works end to end: types STORY and CHORE, a status REVIEW, a resolution SHIPPED', async () => {
    const changed = ok(await update(small));
    assert.deepEqual(changed, { workflow: { projectId, ...small, etag: changed.workflow.etag }, changedIssues: 0 });
    assert.deepEqual(await workflow(), changed.workflow);

    const story = await create({ assigneeId: ann });
    assert.deepEqual([story.type, story.priority, story.status], ['STORY', 'LOW', 'DOING']);
    const wrong = await tracker.http('POST', '/v1/issues', { projectId, summary: 'x', type: 'BUG' });
    assert.deepEqual(refused(wrong).violations[0]?.description, 'must be one of STORY, CHORE');
    assert.equal((await transition(story.key, { status: 'REVIEW' })).status, 'REVIEW');
    const { transitions } = ok(await tracker.http('GET', `/v1/issues/${story.key}:allowedTransitions`));
    assert.deepEqual(
      transitions.map(({ status, missing }: { status: string; missing: string[] }) => [status, missing]),
      [
        ['OVER', ['resolution']],
        ['DOING', []],
      ],
    );
    const chore = await create({ type: 'CHORE', status: 'REVIEW' });
    const shipped = await create({ status: 'OVER', resolution: 'SHIPPED' });
    assert.equal(await openCount(), 2);

    const inUse = refused(await update(withoutReview));
    assert.deepEqual(
      [inUse.status, inUse.reason, inUse.metadata],
      ['FAILED_PRECONDITION', 'WORKFLOW_VALUE_IN_USE', { field: 'status', value: 'REVIEW', count: '2' }],
    );
    assert.deepEqual(await workflow(), changed.workflow, 'nothing is stored');

    const mappings = [{ field: 'status', from: 'REVIEW', to: 'TODO' }];
    const done = ok(await update({ ...withoutReview, mappings }));
    assert.deepEqual([done.changedIssues, done.workflow.statuses.length], [2, 3]);
    assert.notEqual(done.workflow.etag, changed.workflow.etag);
    for (const { key } of [story, chore]) {
      assert.equal((await read(key)).status, 'TODO');
      assert.deepEqual(await lastChanges(key), [{ field: 'status', from: 'REVIEW', to: 'TODO' }]);
    }
    assert.deepEqual(await read(shipped.key), shipped);
    const found = await tracker.http('GET', `/v1/projects/${projectId}/issues?filter=status%3DTODO`);
    assert.equal(ok(found).issues.length, 2);
  });

  it('is the default one, with the etag 0, until it is changed', async () => {
    const { etag, statuses } = await workflow();
    assert.equal(etag, '0');
    assert.equal(refused(await update({ types: ['X'] }, { 'if-match': '"1"' })).reason, 'ETAG_MISMATCH');
    const answer = await update({ types: ['BUG', 'FEATURE', 'COSMETIC', 'PERFORMANCE', 'X'] }, { 'if-match': '"0"' });
    assert.deepEqual(ok(answer).workflow.statuses, statuses, 'a field that is not named stays');
    assert.equal(answer.headers.get('etag'), `"${answer.body.workflow.etag}"`);
  });

  it('is not written when nothing changes', async () => {
    const { etag } = ok(await update(small)).workflow;
    const head = (await readLog(tracker)).length;
    assert.equal(ok(await update(small)).workflow.etag, etag);
    assert.equal((await readLog(tracker)).length, head);
  });

  it('takes what is present, or what the mask names', async () => {
    const before = ok(await update(small)).workflow;
    const byPresence = (await updateByGrpc({ resolutions: ['SHIPPED'] })).workflow!;
    assert.deepEqual([byPresence.resolutions, byPresence.types], [['SHIPPED'], before.types]);
    const byMask = await updateByGrpc({ types: ['A'], resolutions: ['SHIPPED', 'LOST'], updateMask: ['resolutions'] });
    assert.deepEqual([byMask.workflow!.resolutions, byMask.workflow!.types], [['SHIPPED', 'LOST'], before.types]);
    const emptied = updateByGrpc({ updateMask: ['types', 'initial_status'] });
    await assert.rejects(emptied, ({ violations }: CallFailure) => {
      assert.deepEqual(
        violations.map((each) => each.split(':')[0]),
        ['types', 'initial_status'],
      );
      return true;
    });
    assert.deepEqual(refused(await update({ types: [], priorities: null })).fields.slice(0, 2), [
      'types',
      'priorities',
    ]);
    assert.deepEqual(
      refused(await tracker.http('PATCH', `/v1/projects/${projectId}/workflow?update_mask=etag`, {})).fields,
      ['update_mask'],
    );
  });

  const faults: readonly (readonly [what: string, patch: object, fields: readonly string[]])[] = [
    ['no type', { types: [] }, ['types']],
    ['no priority', { priorities: [], defaultPriority: 'LOW' }, ['priorities']],
    ['a name in lower case', { types: ['STORY', 'chore'] }, ['types[1]']],
    ['a name that begins with a digit', { resolutions: ['1ST', 'OK'] }, ['resolutions[0]']],
    ['a name twice', { priorities: ['LOW', 'HIGH', 'LOW'] }, ['priorities[2]']],
    ['a status twice', { statuses: [...small.statuses, small.statuses[1]] }, ['statuses[4].name']],
    ['a default priority that is none', { defaultPriority: 'MAJOR' }, ['default_priority']],
    ['an unknown category', { statuses: statusesWith('REVIEW', { category: 'WAITING' }) }, ['statuses[2].category']],
    ['an unknown guard', { statuses: statusesWith('REVIEW', { guards: ['LUCK'] }) }, ['statuses[2].guards[0]']],
    [
      'a guard twice',
      { statuses: statusesWith('DOING', { guards: ['ASSIGNEE', 'ASSIGNEE'] }) },
      ['statuses[1].guards[1]'],
    ],
    [
      'a status that is not done and needs a resolution',
      { statuses: statusesWith('REVIEW', { guards: ['RESOLUTION'] }) },
      ['statuses[2].guards[0]'],
    ],
    ['no resolution where one is needed', { resolutions: [] }, ['resolutions']],
    ['no status that is done', { statuses: statusesWith('OVER', { category: 'ACTIVE', guards: [] }) }, ['statuses']],
    [
      'a transition from nowhere',
      { transitions: [...small.transitions, { from: 'LOST', to: ['TODO'] }] },
      ['transitions[4].from'],
    ],
    [
      'a transition to nowhere',
      { transitions: [...small.transitions.slice(0, 3), { from: 'OVER', to: ['TODO', 'LOST'] }] },
      ['transitions[3].to[1]'],
    ],
    [
      'a transition to itself',
      { transitions: [...small.transitions.slice(0, 3), { from: 'OVER', to: ['OVER'] }] },
      ['transitions[3].to[0]'],
    ],
    [
      'a transition twice',
      { transitions: [...small.transitions.slice(0, 3), { from: 'OVER', to: ['TODO', 'TODO'] }] },
      ['transitions[3].to[1]'],
    ],
    [
      'two lists of transitions from one status',
      { transitions: [...small.transitions, { from: 'TODO', to: [] }] },
      ['transitions[4].from'],
    ],
    [
      'a status that cannot be reached',
      { statuses: [...small.statuses, { name: 'ISLAND', category: 'OPEN' }] },
      ['statuses[4].name'],
    ],
    ['an initial status that is none', { initialStatus: 'NEW' }, ['initial_status']],
    [
      'an initial status that is not open',
      { initialStatus: 'DOING', transitions: [...small.transitions] },
      ['initial_status'],
    ],
    [
      'an initial status that needs something',
      { statuses: statusesWith('TODO', { guards: ['ASSIGNEE'] }) },
      ['initial_status', 'statuses[0].guards[0]', 'unassigned_status'],
    ],
    [
      'an open status that needs an assignee and leads to where those go who get one',
      {
        statuses: [...small.statuses, { name: 'READY', category: 'OPEN', guards: ['ASSIGNEE'] }],
        transitions: [
          { from: 'TODO', to: ['DOING', 'REVIEW', 'OVER', 'READY'] },
          ...small.transitions.slice(1),
          { from: 'READY', to: ['DOING'] },
        ],
      },
      ['statuses[4].guards[0]'],
    ],
    ['an assigned status that is done', { assignedStatus: 'OVER' }, ['assigned_status']],
    ['an assigned status that no open one leads to', { assignedStatus: 'TODO' }, ['assigned_status']],
    ['an unassigned status that needs an assignee', { unassignedStatus: 'DOING' }, ['unassigned_status']],
    ['an unassigned status that is done', { unassignedStatus: 'OVER' }, ['unassigned_status']],
    ['no unassigned status', { unassignedStatus: '' }, ['unassigned_status']],
  ];
  for (const [what, patch, fields] of faults)
    it(`is refused with ${what}, by the field`, async () => {
      const before = ok(await update(small)).workflow;
      const refusal = refused(await update(patch));
      assert.deepEqual([refusal.status, refusal.fields], ['INVALID_ARGUMENT', fields]);
      for (const { description } of refusal.violations) assert.match(description, /^must /);
      assert.deepEqual(await workflow(), before);
    });

  it('is refused with all its faults at once, and never with more than 25', async () => {
    ok(await update(small));
    const several = await update({
      types: ['story'],
      statuses: statusesWith('REVIEW', { category: 'WAITING' }),
      defaultPriority: 'X',
    });
    assert.deepEqual(refused(several).fields, ['types[0]', 'default_priority', 'statuses[2].category']);
    const many = await update({ types: Array.from({ length: 50 }, (_, i) => `lower${i}`) });
    assert.equal(refused(many).fields.length, 25);
    assert.equal(refused(await update({ types: Array.from({ length: 51 }, (_, i) => `T${i}`) })).fields[0], 'types');
    const longest = ['A'.repeat(64), ...small.types];
    assert.deepEqual(ok(await update({ types: longest })).workflow.types, longest);
    assert.deepEqual(refused(await update({ types: ['A'.repeat(65)] })).fields, ['types[0]']);
  });

  it('keeps no value in use without a mapping, of any field, and maps several at once', async () => {
    ok(await update(small));
    const issue = await create({ type: 'CHORE', priority: 'HIGH', status: 'OVER', resolution: 'DROPPED' });
    const other = await create();
    const patch = { types: ['STORY'], priorities: ['LOW'], resolutions: ['SHIPPED'] };
    const refusal = refused(await update(patch));
    assert.equal(refusal.reason, 'WORKFLOW_VALUE_IN_USE');
    assert.deepEqual(
      refusal.violations.map(({ description }) => description),
      ['type CHORE', 'priority HIGH', 'resolution DROPPED'].map(
        (value) => `must say what becomes of the ${value} of 1 issue`,
      ),
    );
    const mappings = [
      { field: 'type', from: 'CHORE', to: 'STORY' },
      { field: 'priority', from: 'HIGH', to: 'LOW' },
      { field: 'resolution', from: 'DROPPED', to: 'SHIPPED' },
    ];
    assert.equal(ok(await update({ ...patch, mappings })).changedIssues, 1);
    const after = await read(issue.key);
    assert.deepEqual(after, {
      ...issue,
      type: 'STORY',
      priority: 'LOW',
      resolution: 'SHIPPED',
      etag: after.etag,
      updatedAt: after.updatedAt,
    });
    assert.ok(after.etag !== issue.etag && after.updatedAt > issue.updatedAt);
    const history = ok(await tracker.http('GET', `/v1/issues/${issue.key}/history`)).entries;
    assert.deepEqual(
      history[0].changes.filter(({ field }: { field: string }) => ['type', 'resolution'].includes(field)),
      [
        { field: 'type', from: '', to: 'CHORE' },
        { field: 'resolution', from: '', to: 'DROPPED' },
      ],
      'history keeps the old names',
    );
    assert.equal((await read(other.key)).etag, other.etag, 'what does not change keeps its etag');
  });

  it('lets values go that no issue has', async () => {
    ok(await update(small));
    await create();
    assert.equal(ok(await update({ ...withoutReview, types: ['STORY'] })).changedIssues, 0);
  });

  it('refuses a mapping of what does not go, to what is not there, and twice', async () => {
    ok(await update(small));
    const mapping = (field: string, from: string, to: string) => ({ field, from, to });
    const mappings = [
      mapping('status', 'REVIEW', 'DOING'),
      mapping('status', 'DOING', 'TODO'),
      mapping('status', 'NEVER', 'TODO'),
      mapping('status', 'REVIEW', 'TODO'),
      mapping('type', 'STORY', 'SAGA'),
    ];
    const refusal = refused(await update({ ...withoutReview, mappings }));
    assert.equal(refusal.status, 'INVALID_ARGUMENT');
    assert.deepEqual(refusal.fields, [
      'mappings[1].from',
      'mappings[2].from',
      'mappings[3].from',
      'mappings[4].from',
      'mappings[4].to',
    ]);
    assert.deepEqual(refused(await update({ mappings: [mapping('colour', 'A', 'B')] })).fields, ['mappings[0].field']);
    const toGone = [mapping('status', 'REVIEW', 'REVIEW')];
    assert.deepEqual(refused(await update({ ...withoutReview, mappings: toGone })).fields, ['mappings[0].to']);
  });

  it('counts open issues anew, and takes the resolution from what is done no longer, by a change of category', async () => {
    ok(await update(small));
    const issue = await create({ status: 'OVER', resolution: 'SHIPPED' });
    const review = await create({ status: 'REVIEW' });
    await create({ status: 'REVIEW' });
    assert.equal(await openCount(), 2);
    const swapped = small.statuses.map((status) => {
      if (status.name === 'OVER') return { ...status, category: 'ACTIVE', guards: [] };
      return status.name === 'REVIEW' ? { ...status, category: 'DONE' } : status;
    });
    assert.equal(ok(await update({ statuses: swapped })).changedIssues, 1);
    assert.equal(await openCount(), 1);
    const reopened = await read(issue.key);
    assert.deepEqual([reopened.status, reopened.resolution], ['OVER', '']);
    assert.deepEqual(await lastChanges(issue.key), [{ field: 'resolution', from: 'SHIPPED', to: '' }]);
    assert.equal((await read(review.key)).etag, review.etag);
    await create({ status: 'REVIEW', resolution: 'SHIPPED' });
    assert.equal(await openCount(), 1);
  });

  it('counts right when a status goes into one that changes its category in the same call', async () => {
    ok(await update(small));
    for (const status of ['TODO', 'REVIEW', 'REVIEW']) await create({ status });
    await create({ status: 'OVER', resolution: 'DROPPED' });
    const doing = await create({ assigneeId: ann });
    const mappings = [{ field: 'status', from: 'REVIEW', to: 'OVER' }];
    const statuses = [
      ...withoutReview.statuses.filter(({ name }) => name !== 'OVER'),
      { name: 'OVER', category: 'ACTIVE' },
      { name: 'PAST', category: 'DONE' },
    ];
    const transitions = [...withoutReview.transitions.slice(0, 2), { from: 'OVER', to: ['TODO', 'PAST'] }];
    assert.equal(ok(await update({ statuses, transitions, mappings })).changedIssues, 3);
    assert.equal(await openCount(), 5);
    await transition(doing.key, { status: 'OVER' });
    assert.equal((await transition(doing.key, { status: 'PAST' })).status, 'PAST');
    assert.equal(await openCount(), 4);
  });

  it('gets no guard that its issues do not satisfy, where they are or where they go', async () => {
    const before = ok(await update(small)).workflow;
    for (let i = 0; i < 3; i += 1) await create({ status: 'REVIEW' });
    await transition((await create({ assigneeId: ann })).key, { status: 'REVIEW' });
    const guard = refused(await update({ statuses: statusesWith('REVIEW', { guards: ['ASSIGNEE'] }) }));
    assert.deepEqual(
      [guard.status, guard.reason, guard.metadata],
      ['FAILED_PRECONDITION', 'WORKFLOW_GUARD', { status: 'REVIEW', missing: 'assignee_id', count: '3' }],
    );
    const to = (status: string) =>
      update({ ...withoutReview, mappings: [{ field: 'status', from: 'REVIEW', to: status }] });
    assert.deepEqual(refused(await to('DOING')).metadata, { status: 'DOING', missing: 'assignee_id', count: '3' });
    assert.deepEqual(refused(await to('OVER')).metadata, { status: 'OVER', missing: 'resolution', count: '4' });
    assert.deepEqual(await workflow(), before);
    assert.equal(ok(await to('TODO')).changedIssues, 4);
  });

  it('sorts its issues by a new order of the priorities, without a change of theirs', async () => {
    ok(await update(small));
    const [low, high] = [await create({ priority: 'LOW' }), await create({ priority: 'HIGH' })];
    const sorted = async () => {
      const page = await tracker.http('GET', `/v1/projects/${projectId}/issues?order_by=priority`);
      return ok(page).issues.map(({ key }: { key: string }) => key);
    };
    assert.deepEqual(await sorted(), [high.key, low.key]);
    const head = (await readLog(tracker)).length;
    assert.equal(ok(await update({ priorities: ['LOW', 'MIDDLE', 'HIGH'] })).changedIssues, 0);
    assert.deepEqual(await sorted(), [low.key, high.key]);
    assert.deepEqual(
      (await readLog(tracker)).slice(head).map(({ entity, fields }) => [entity, fields]),
      [['workflow', ['priorities']]],
    );
    for (const issue of [low, high]) {
      assert.deepEqual(await read(issue.id), issue);
      const condition = { 'if-match': `"${issue.etag}"` };
      ok(await tracker.http('PATCH', `/v1/issues/${issue.key}`, { summary: 'still that one' }, condition));
    }
  });

  it('has its events in the project’s scope, from the default one on, and goes with the project', async () => {
    ok(await update(small));
    ok(await tracker.http('DELETE', `/v1/projects/${projectId}`));
    const changes = (await readLog(tracker)).filter(
      ({ entity, entityId }) => entity === 'workflow' && entityId === projectId,
    );
    assert.deepEqual(
      changes.map(({ kind, scope, fields }) => [kind, scope, fields.length]),
      [
        ['UPDATED', `project_scopes/${projectId}`, 9],
        ['DELETED', `project_scopes/${projectId}`, 9],
      ],
    );
    assert.equal(refused(await update(small)).reason, 'PROJECT_NOT_FOUND');
  });

  it('is written by one of two who have read the same', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { etag } = await workflow();
      const answers = await Promise.all(
        ['A', 'B', 'C', 'D'].map((type) => update({ types: [type + round] }, { 'if-match': `"${etag}"` })),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412, 412]);
    }
  });

  it('keeps every part that a mask does not name, also where it names the mappings alone', async () => {
    const before = await workflow();
    const path = `/v1/projects/${projectId}/workflow?update_mask=mappings`;
    for (const body of [{ defaultPriority: 'MINOR' }, { types: ['X'], initialStatus: 'ASSIGNED' }])
      assert.deepEqual(ok(await tracker.http('PATCH', path, body)), { workflow: before, changedIssues: 0 });
    await updateByGrpc({ updateMask: ['mappings'], types: ['X'], defaultPriority: 'MINOR' });
    assert.deepEqual(await workflow(), before);
    ok(await tracker.http('PATCH', `${path},default_priority`, { defaultPriority: 'MINOR', types: ['X'] }));
    const { etag, defaultPriority, updatedAt: _, ...others } = await workflow();
    assert.deepEqual([others.types, defaultPriority, etag === before.etag], [before.types, 'MINOR', false]);
  });

  it('stays as it is while the project is archived', async () => {
    ok(await tracker.http('POST', `/v1/projects/${projectId}:archive`, {}));
    const refusal = refused(await update(small));
    assert.deepEqual([refusal.status, refusal.reason], ['FAILED_PRECONDITION', 'PROJECT_ARCHIVED']);
    assert.equal((await workflow()).etag, '0');
  });

  it('is changed once by a request that is sent twice', async () => {
    const requestId = `workflow-${projectId}`;
    const first = ok(await update({ ...small, requestId }));
    assert.deepEqual(ok(await update({ ...small, requestId })), first);
    assert.equal(refused(await update({ types: ['X'], requestId })).reason, 'KEY_REUSED');
    assert.equal((await workflow()).etag, first.workflow.etag);
  });

  it('tells the transitions of an issue as they are at one moment, whatever changes meanwhile', async () => {
    let meanwhile: (() => Promise<unknown>) | undefined;
    const storage = storageThatReads((read) => async (fn, options) => {
      let ofIssues = false;
      const value = await read((tx) => {
        const table: typeof tx.table = (declared) => {
          ofIssues ||= declared.name === 'issues';
          return tx.table(declared);
        };
        return fn({ table, now: tx.now });
      }, options);
      // Others read too: who follows the log.
      if (!ofIssues) return value;
      const change = meanwhile;
      meanwhile = undefined;
      await change?.();
      return value;
    });
    const other = await startTracker({}, { storage });
    try {
      const { project } = ok(await other.http('POST', '/v1/projects', { name: 'Core' }));
      const { issue } = ok(await other.http('POST', '/v1/issues', { projectId: project.id, summary: 'It breaks' }));
      const transitions = async () =>
        ok(await other.http('GET', `/v1/issues/${issue.key}:allowedTransitions`)).transitions;
      const before = await transitions();
      const mappings = [
        { field: 'type', from: issue.type, to: 'STORY' },
        { field: 'priority', from: issue.priority, to: 'LOW' },
        { field: 'status', from: issue.status, to: 'TODO' },
      ];
      meanwhile = async () =>
        ok(await other.http('PATCH', `/v1/projects/${project.id}/workflow`, { ...small, mappings }));
      assert.deepEqual(await transitions(), before);
      const after: { status: string }[] = await transitions();
      assert.deepEqual(
        after.map(({ status }) => status),
        ['DOING', 'REVIEW', 'OVER'],
      );
    } finally {
      await other.stop();
    }
  });

  it('changes more issues than a page holds, all in one transaction', async () => {
    ok(await update(small));
    for (let made = 0; made < 1050; made += 150)
      await Promise.all(
        Array.from({ length: 150 }, () =>
          tracker.grpc(Issues.createIssue, { projectId, summary: 'x', status: 'REVIEW' }),
        ),
      );
    const head = (await readLog(tracker)).length;
    const byStatus = { ...withoutReview, mappings: [{ field: 'status', from: 'REVIEW', to: 'TODO' }] };
    assert.equal(ok(await update(byStatus)).changedIssues, 1050);
    const byType = { types: ['CHORE'], mappings: [{ field: 'type', from: 'STORY', to: 'CHORE' }] };
    assert.equal(ok(await update(byType)).changedIssues, 1050);
    const changes = (await readLog(tracker)).slice(head);
    assert.deepEqual([changes.length, new Set(changes.map(({ transaction }) => transaction)).size], [2102, 2]);
  });
});
