import assert from 'node:assert/strict';
import { BadRequest, ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { type BatchResult, IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

const NOBODY = '01900000-0000-7000-8000-000000000000';
const { batchCreateIssues, batchUpdateIssues, updateIssue, createIssue } = IssueServiceService;

describe('batches of issues', () => {
  let tracker: Tracker;
  let core: string;
  let web: string;
  let ann: string;
  beforeEach(async () => {
    tracker = await startTracker();
    core = (await post('/v1/projects', { name: 'Core', key: 'CORE' })).body.project.id;
    web = (await post('/v1/projects', { name: 'Web', key: 'WEB' })).body.project.id;
    ann = (await post('/v1/users', { name: 'Ann', email: 'ann@example.com' })).body.user.id;
  });
  afterEach(() => tracker.stop());

  const post = (path: string, body: object, headers = {}) => tracker.http('POST', path, body, headers);
  const createAll = (requests: readonly object[], more: object = {}) =>
    post('/v1/issues:batchCreate', { requests, ...more });
  const updateAll = (requests: readonly object[], more: object = {}) =>
    post('/v1/issues:batchUpdate', { requests, ...more });
  const one = (summary: string, more: object = {}) => ({ projectId: core, summary, ...more });
  const get = async (name: string) => (await tracker.http('GET', `/v1/issues/${name}`)).body.issue;
  const head = async () => (await readLog(tracker)).length;
  const since = async (seq: number) => (await readLog(tracker)).slice(seq);
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  const keys = (body: any) => body.results.map((result: any) => result.written?.issue.key ?? result.error.code);
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  const fieldsOf = (details: any[]) => details.flatMap((each) => each.fieldViolations ?? []).map(({ field }) => field);
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  const infoOf = (details: any[]) => details.find((each) => each['@type'].endsWith('google.rpc.ErrorInfo'));

  it('create issues of several projects in one transaction, in the order of the requests', async () => {
    const before = await head();
    const { status, body } = await createAll([
      one('a', { assigneeId: ann }),
      { projectId: web.toUpperCase(), summary: 'b' },
      one('c', { status: 'RESOLVED', resolution: 'FIXED', dueAt: '2031-01-01T00:00:00Z' }),
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(keys(body), ['CORE-1', 'WEB-1', 'CORE-2']);
    assert.equal(body.errorCount, 0);
    const [first, , third] = body.results;
    assert.deepEqual([first.written.issue.status, first.written.adjustments[0].field], ['ASSIGNED', 'status']);
    assert.deepEqual([third.written.issue.status, third.written.issue.resolution], ['RESOLVED', 'FIXED']);
    assert.deepEqual(await get('CORE-2'), third.written.issue);
    const changes = await since(before);
    assert.equal(changes.length, 3);
    assert.equal(new Set(changes.map(({ transaction }) => transaction)).size, 1);
    await checkLog(tracker);
  });

  for (const atomic of [true, false])
    it(`${atomic ? 'store nothing' : 'store the others'} when an item is refused ${atomic ? 'and all must be written' : 'and each stands alone'}`, async () => {
      const before = await head();
      const { status, body } = await createAll(
        [
          one('a'),
          one('b', { type: 'STORY' }),
          { projectId: NOBODY, summary: 'c' },
          one('d', { assigneeId: NOBODY }),
          one('e'),
        ],
        { atomic },
      );
      if (atomic) {
        assert.equal(status, 400);
        assert.deepEqual(fieldsOf(body.error.details), ['requests[1].type']);
        assert.match(body.error.message, /^requests\[1\]\.type: must be one of BUG/);
        assert.deepEqual(
          [infoOf(body.error.details).reason, infoOf(body.error.details).metadata],
          ['NOT_IN_WORKFLOW', { item: 'requests[1]' }],
        );
        assert.equal(await head(), before);
      } else {
        assert.equal(status, 200);
        // No number is lost to an item that was refused.
        assert.deepEqual(keys(body), ['CORE-1', 3, 3, 3, 'CORE-2']);
        assert.equal(body.errorCount, 3);
        assert.deepEqual(
          body.results
            .slice(1, 4)
            .map(({ error }: { error: { details: object[] } }) => [
              infoOf(error.details).reason,
              ...fieldsOf(error.details),
            ]),
          [
            ['NOT_IN_WORKFLOW', 'type'],
            ['PROJECT_NOT_FOUND', 'project_id'],
            ['USER_NOT_FOUND', 'assignee_id'],
          ],
        );
        assert.equal((await since(before)).length, 2);
      }
      await checkLog(tracker);
    });

  it('name the first item in the order of the requests, whatever was found out first', async () => {
    // The third is refused before the locks, the second at its project's lock, the first after all locks.
    const items = [one('a', { type: 'STORY' }), { projectId: NOBODY, summary: 'b' }];
    const created = await createAll(items, { atomic: true });
    assert.deepEqual(fieldsOf(created.body.error.details), ['requests[0].type']);
    await createAll([one('a')]);
    const updated = await updateAll(
      [{ id: 'CORE-1', type: 'STORY' }, { id: 'CORE-99', summary: 'x' }, { id: 'nonsense' }],
      {
        atomic: true,
      },
    );
    assert.deepEqual(fieldsOf(updated.body.error.details), ['requests[0].type']);
    const missing = await updateAll(
      [
        { id: 'CORE-1', type: 'BUG' },
        { id: 'CORE-99', summary: 'x' },
      ],
      { atomic: true },
    );
    assert.equal(missing.status, 404);
    assert.equal(missing.body.error.message, 'requests[1]: issue CORE-99 does not exist');
    assert.deepEqual(infoOf(missing.body.error.details).metadata, { id: 'CORE-99', item: 'requests[1]' });
  });

  it('update each by its own mask and etag, by id or key, and clear what a mask names', async () => {
    const { results } = (
      await createAll([one('a', { dueAt: '2031-01-01T00:00:00Z' }), one('b'), one('c', { assigneeId: ann })])
    ).body;
    const [a, b, c] = results.map(({ written }: { written: { issue: object } }) => written.issue);
    const before = await head();
    const { status, body } = await updateAll([
      { id: 'core-1', summary: 'A', updateMask: 'summary,dueAt', etag: a.etag },
      { id: b.id, priority: 'CRITICAL', etag: 'stale' },
      { id: c.id.toUpperCase(), assigneeId: '' },
      { id: 'CORE-9', summary: 'x' },
      { id: 'no key', summary: 'x' },
      { id: b.key, updateMask: 'reporterId' },
      { id: b.key, status: 'REOPENED' },
      { id: b.key, updateMask: 'summary' },
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(keys(body), ['CORE-1', 10, 'CORE-3', 5, 3, 3, 9, 3]);
    const reasons = body.results.map(
      ({ error }: { error?: { details: object[] } }) => error && infoOf(error.details).reason,
    );
    assert.deepEqual(reasons.filter(Boolean), [
      'ETAG_MISMATCH',
      'ISSUE_NOT_FOUND',
      'INVALID_FIELD',
      'INVALID_FIELD',
      'TRANSITION_NOT_ALLOWED',
      'INVALID_FIELD',
    ]);
    assert.equal(body.results[0].written.issue.dueAt, undefined);
    assert.deepEqual(
      body.results[2].written.adjustments.map(({ to }: { to: string }) => to),
      ['NEW'],
    );
    assert.deepEqual(await get('CORE-2'), b);
    assert.equal((await since(before)).length, 2);
    await checkLog(tracker);
  });

  it('apply two items of one issue one after the other', async () => {
    await createAll([one('a')]);
    const { etag } = await get('CORE-1');
    const { body } = await updateAll([
      { id: 'CORE-1', assigneeId: ann, etag },
      { id: 'CORE-1', status: 'RESOLVED', resolution: 'FIXED' },
      { id: 'CORE-1', summary: 'too late', etag },
      { id: 'CORE-1', status: 'CLOSED' },
    ]);
    assert.deepEqual(keys(body), ['CORE-1', 'CORE-1', 10, 'CORE-1']);
    assert.deepEqual(
      body.results.map(({ written }: { written?: { issue: { status: string } } }) => written?.issue.status),
      ['ASSIGNED', 'RESOLVED', undefined, 'CLOSED'],
    );
    const { status, resolution, assigneeId } = await get('CORE-1');
    assert.deepEqual([status, resolution, assigneeId], ['CLOSED', 'FIXED', ann]);
    const project = (await tracker.http('GET', `/v1/projects/${core}`)).body.project;
    assert.deepEqual([project.issueCount, project.openIssueCount], [1, 0]);
    await checkLog(tracker);
  });

  it('tell only the items of an archived project that it is archived', async () => {
    await createAll([one('a'), { projectId: web, summary: 'b' }]);
    await post(`/v1/projects/${web}:archive`, {});
    const created = await createAll([{ projectId: web, summary: 'c' }, one('d')]);
    assert.deepEqual(keys(created.body), [9, 'CORE-2']);
    const updated = await updateAll([
      { id: 'WEB-1', summary: 'B' },
      { id: 'CORE-1', summary: 'A' },
    ]);
    assert.deepEqual(keys(updated.body), [9, 'CORE-1']);
    assert.equal(infoOf(updated.body.results[0].error.details).reason, 'PROJECT_ARCHIVED');
    await checkLog(tracker);
  });

  it('carry the errors of items over gRPC too, as the call alone would fail', async () => {
    const answer = await tracker.grpc(batchCreateIssues, {
      requests: [
        request(createIssue, { projectId: core, summary: 'a', type: 'STORY' }),
        request(createIssue, { projectId: core, summary: 'b' }),
      ],
    });
    const [refused, written] = answer.results as [BatchResult, BatchResult];
    assert.ok(refused.result?.$case === 'error' && written.result?.$case === 'written');
    const { code, message, details } = refused.result.value;
    const alone = (await tracker
      .grpc(createIssue, { projectId: core, summary: 'a', type: 'STORY' })
      .catch((error) => error)) as CallFailure;
    assert.deepEqual([code, message], [alone.code, alone.details]);
    assert.equal(ErrorInfo.decode(details[0]!.value).reason, alone.reason);
    assert.equal(BadRequest.decode(details[1]!.value).fieldViolations[0]?.field, 'type');
    assert.equal(written.result.value.issue?.key, 'CORE-1');
  });

  it('are refused whole where an item breaks a rule of its form', async () => {
    const before = await head();
    for (const [path, items, field] of [
      ['batchCreate', [one('a'), one('')], 'requests[1].summary'],
      ['batchCreate', [one('a'), { summary: 'b' }], 'requests[1].project_id'],
      ['batchCreate', [one('a', { requestId: 'x' })], 'requests[0].request_id'],
      ['batchUpdate', [{ id: '' }], 'requests[0].id'],
      ['batchCreate', [], 'requests'],
      ['batchUpdate', [], 'requests'],
      ['batchCreate', Array(1001).fill(one('a')), 'requests'],
      ['batchUpdate', Array(1001).fill({ id: 'CORE-1' }), 'requests'],
    ] as const) {
      const { status, body } = await post(`/v1/issues:${path}`, { requests: items });
      assert.equal(status, 400, field);
      assert.deepEqual(fieldsOf(body.error.details), [field]);
    }
    assert.equal((await createAll([one('a', { colour: 'red' })])).status, 400);
    assert.equal(await head(), before);
  });

  it('take a thousand items, in one revision', async () => {
    const before = await head();
    const { status, body } = await createAll(Array.from({ length: 1000 }, (_, i) => one(`n ${i}`)));
    assert.equal(status, 200);
    assert.deepEqual(
      keys(body),
      Array.from({ length: 1000 }, (_, i) => `CORE-${i + 1}`),
    );
    const changes = await since(before);
    assert.deepEqual([changes.length, new Set(changes.map(({ revision }) => revision)).size], [1000, 1]);
    const updated = await updateAll(
      Array.from({ length: 1000 }, (_, i) => ({ id: `CORE-${i + 1}`, assigneeId: ann })),
      {
        atomic: true,
      },
    );
    assert.equal(updated.body.errorCount, 0);
    await checkLog(tracker);
  });

  it('are refused, with nothing stored, when the answer would not fit a message', async () => {
    const description = 'x'.repeat(20_000);
    const requests = Array.from({ length: 170 }, (_, i) =>
      request(createIssue, { projectId: core, summary: `${i}`, description }),
    );
    const fits = await tracker.grpc(batchCreateIssues, { requests });
    const ids = fits.results.map(({ result }) => (result?.$case === 'written' ? result.value.issue!.id : ''));
    const before = await head();
    // A small request with a large answer.
    const many = [...ids, ...ids].map((id) => request(updateIssue, { id, summary: 'new' }));
    for (const atomic of [true, false])
      await assert.rejects(tracker.grpc(batchUpdateIssues, { requests: many, atomic }), (error: CallFailure) => {
        assert.deepEqual([error.code, error.reason], [3, 'BATCH_TOO_LARGE']);
        assert.match(error.violations[0]!, /^requests: must be fewer/);
        return true;
      });
    assert.equal(await head(), before);
  });

  it('are done once for a key, also where items were refused', async () => {
    const headers = { 'idempotency-key': 'batch-1' };
    const items = { requests: [one('a'), one('b', { type: 'STORY' })] };
    const first = await post('/v1/issues:batchCreate', items, headers);
    const again = await post('/v1/issues:batchCreate', items, headers);
    assert.deepEqual([again.status, again.body], [200, first.body]);
    const byField = await createAll(items.requests, { requestId: 'batch-1' });
    assert.deepEqual(byField.body, first.body);
    assert.equal((await tracker.http('GET', `/v1/projects/${core}`)).body.project.issueCount, 1);
    const other = await post('/v1/issues:batchCreate', { ...items, atomic: true }, headers);
    assert.equal(other.status, 422);
  });

  it('lock their projects in one order, whatever that of their items', async () => {
    const forth = Array.from({ length: 20 }, (_, i) => ({ projectId: i % 2 ? core : web, summary: `${i}` }));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => createAll(i % 2 ? forth : forth.toReversed())),
    );
    for (const { status } of answers) assert.equal(status, 200);
    await checkLog(tracker);
  });
});

/** A whole message, of some of its fields. */
function request<T>(
  { requestDeserialize }: { readonly requestDeserialize: (bytes: Buffer) => T },
  some: Partial<T>,
): T {
  return { ...requestDeserialize(Buffer.alloc(0)), ...some };
}
