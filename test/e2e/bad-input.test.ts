import assert from 'node:assert/strict';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { orderedLog } from '../support/replay.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  /** Instead of body: sent as it is. */
  readonly raw?: string | Uint8Array;
  readonly headers?: Record<string, string>;
  readonly status: number;
  readonly field?: string;
}

const ISSUE = '/v1/issues';
const UUID = '01900000-0000-7000-8000-000000000000';

const cases: readonly Case[] = [
  { name: 'a missing name', path: '/v1/users', body: { email: 'a@example.com' }, status: 400, field: 'name' },
  {
    name: 'a name of white space',
    path: '/v1/users',
    body: { name: ' \t', email: 'a@b.example' },
    status: 400,
    field: 'name',
  },
  {
    name: 'a long name',
    path: '/v1/users',
    body: { name: 'x'.repeat(101), email: 'a@b.example' },
    status: 400,
    field: 'name',
  },
  { name: 'a missing address', path: '/v1/users', body: { name: 'x' }, status: 400, field: 'email' },
  { name: 'no address', path: '/v1/users', body: { name: 'x', email: 'nobody' }, status: 400, field: 'email' },
  {
    name: 'a bad address',
    path: '/v1/users',
    body: { name: 'x', email: 'a b@c.example' },
    status: 400,
    field: 'email',
  },
  { name: 'U+0000', path: '/v1/users', body: { name: 'x\u0000y', email: 'a@b.example' }, status: 400, field: 'name' },
  {
    name: 'a lone surrogate',
    path: '/v1/users',
    raw: '{"name": "\\ud800", "email": "a@b.example"}',
    status: 400,
    field: 'name',
  },
  { name: 'invalid UTF-8', path: '/v1/users', raw: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), status: 400 },
  { name: 'a number for text', path: '/v1/users', body: { name: 7, email: 'a@b.example' }, status: 400, field: 'name' },
  {
    name: 'an unknown field',
    path: '/v1/users',
    body: { name: 'x', email: 'a@b.example', admin: true },
    status: 400,
    field: 'admin',
  },
  {
    name: '__proto__',
    path: '/v1/users',
    raw: '{"name":"x","email":"a@b.example","__proto__":{"admin":true}}',
    status: 400,
    field: '__proto__',
  },
  { name: 'an array', path: '/v1/users', raw: '[]', status: 400 },
  { name: 'broken JSON', path: '/v1/users', raw: '{"name":', status: 400 },
  { name: 'a deep body', path: '/v1/users', raw: `${'{"a":'.repeat(64)}1${'}'.repeat(64)}`, status: 400 },
  { name: 'a large body', path: '/v1/users', raw: JSON.stringify({ name: 'x'.repeat(1_100_000) }), status: 413 },
  {
    name: 'another media type',
    path: '/v1/users',
    raw: 'name=x',
    headers: { 'content-type': 'text/plain' },
    status: 415,
  },
  {
    name: 'a bad time zone',
    path: '/v2/users',
    body: { name: 'x', email: 'a@b.example', timeZone: 'Mars/Base' },
    status: 400,
    field: 'time_zone',
  },
  {
    name: 'a bad locale',
    path: '/v2/users',
    body: { name: 'x', email: 'a@b.example', locale: 'not a locale' },
    status: 400,
    field: 'locale',
  },
  {
    name: 'a script for an avatar',
    path: '/v2/users',
    body: { name: 'x', email: 'a@b.example', avatarUrl: 'javascript:alert(1)' },
    status: 400,
    field: 'avatar_url',
  },
  { name: 'a bad id', method: 'GET', path: '/v1/users/17', status: 400, field: 'id' },
  { name: 'an unknown id', method: 'GET', path: `/v1/users/${UUID}`, status: 404 },
  { name: 'a negative page size', method: 'GET', path: '/v1/users?page_size=-1', status: 400, field: 'page_size' },
  {
    name: 'a page size that is no number',
    method: 'GET',
    path: '/v1/users?page_size=many',
    status: 400,
    field: 'page_size',
  },
  { name: 'an unknown query parameter', method: 'GET', path: '/v1/users?sort=name', status: 400, field: 'sort' },
  { name: 'an unknown order', method: 'GET', path: '/v1/users?order_by=shoe_size', status: 400, field: 'order_by' },
  {
    name: 'an unknown field in a filter',
    method: 'GET',
    path: '/v1/users?filter=shoe%3D42',
    status: 400,
    field: 'filter',
  },
  { name: 'a damaged page token', method: 'GET', path: '/v1/users?page_token=AAAA', status: 400, field: 'page_token' },
  { name: 'a small key', path: '/v1/projects', body: { name: 'x', key: 'A' }, status: 400, field: 'key' },
  { name: 'a key in small letters', path: '/v1/projects', body: { name: 'x', key: 'core' }, status: 400, field: 'key' },
  {
    name: 'a long description',
    path: '/v1/projects',
    body: { name: 'x', description: 'd'.repeat(5001) },
    status: 400,
    field: 'description',
  },
  {
    name: 'an output-only field',
    path: '/v1/projects',
    body: { name: 'x', issueCount: 7 },
    status: 400,
    field: 'issueCount',
  },
  { name: 'an issue without a project', path: ISSUE, body: { summary: 'x' }, status: 400, field: 'project_id' },
  {
    name: 'a project id that is no UUID',
    path: ISSUE,
    body: { projectId: 'CORE', summary: 'x' },
    status: 400,
    field: 'project_id',
  },
  {
    name: 'a project that does not exist',
    path: ISSUE,
    body: { projectId: UUID, summary: 'x' },
    status: 400,
    field: 'project_id',
  },
  {
    name: 'a type the workflow lacks',
    path: ISSUE,
    body: { projectId: '$', summary: 'x', type: 'STORY' },
    status: 400,
    field: 'type',
  },
  {
    name: 'a priority the workflow lacks',
    path: ISSUE,
    body: { projectId: '$', summary: 'x', priority: 'P0' },
    status: 400,
    field: 'priority',
  },
  {
    name: 'a status the workflow lacks',
    path: ISSUE,
    body: { projectId: '$', summary: 'x', status: 'DONE' },
    status: 400,
    field: 'status',
  },
  {
    name: 'a resolution of an open issue',
    path: ISSUE,
    body: { projectId: '$', summary: 'x', resolution: 'FIXED' },
    status: 400,
    field: 'resolution',
  },
  {
    name: 'a bad time',
    path: ISSUE,
    body: { projectId: '$', summary: 'x', dueAt: 'tomorrow' },
    status: 400,
    field: 'due_at',
  },
  {
    name: 'a project that does not exist in a list',
    method: 'GET',
    path: `/v1/projects/${UUID}/issues`,
    status: 400,
    field: 'project_id',
  },
  {
    name: 'an avatar with a line break',
    path: '/v2/users',
    body: { name: 'x', email: 'a@b.example', avatarUrl: 'https://x.example\n' },
    status: 400,
    field: 'avatar_url',
  },
  {
    name: 'an offset for a time zone',
    path: '/v2/users',
    body: { name: 'x', email: 'a@b.example', timeZone: '+02:00' },
    status: 400,
    field: 'time_zone',
  },
  { name: 'a bad issue id', method: 'GET', path: '/v1/issues/what', status: 400, field: 'id' },
  {
    name: 'a field that no update may change',
    method: 'PATCH',
    path: '/v1/issues/CORE-1?update_mask=key',
    body: {},
    status: 400,
    field: 'update_mask',
  },
  {
    name: 'a cleared summary',
    method: 'PATCH',
    path: '/v1/issues/CORE-1',
    body: { summary: null },
    status: 400,
    field: 'summary',
  },
  { name: 'a bad transition', path: '/v1/issues/CORE-1:transition', body: { status: 'REOPENED' }, status: 400 },
  {
    name: 'a stale etag',
    method: 'PATCH',
    path: '/v1/issues/CORE-1',
    body: { summary: 'x' },
    headers: { 'if-match': '"zz"' },
    status: 412,
  },
  { name: 'an unknown path', method: 'GET', path: '/v1/nothing', status: 404 },
  { name: 'a wrong method', method: 'PUT', path: '/v1/users', body: {}, status: 405 },
  { name: 'a broken escape', method: 'GET', path: '/v1/users/%zz', status: 400 },
];

describe('bad input', () => {
  let tracker: Tracker;
  let projectId: string;
  before(async () => {
    tracker = await startTracker();
    projectId = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body.project.id;
    await tracker.http('POST', ISSUE, { projectId, summary: 'one' });
  });
  after(() => tracker.stop());

  for (const each of cases)
    it(`answers ${each.name} with ${each.status}${each.field ? ` and names ${each.field}` : ''}, and stores nothing`, async () => {
      const head = await (await orderedLog(tracker)).head();
      const body = each.body && JSON.parse(JSON.stringify(each.body).replace('"$"', JSON.stringify(projectId)));
      const answer = each.raw
        ? await tracker.raw(each.method ?? 'POST', each.path, each.raw, each.headers)
        : await tracker.http(each.method ?? 'POST', each.path, body, each.headers);
      assert.equal(answer.status, each.status, JSON.stringify(answer.body));
      const { error } = answer.body;
      assert.equal(error.code, each.status);
      assert.equal(error.details[0]['@type'], 'type.googleapis.com/google.rpc.ErrorInfo');
      assert.ok(error.message.length > 0);
      const named = error.details.flatMap(
        (detail: { fieldViolations?: { field: string }[] }) => detail.fieldViolations ?? [],
      );
      if (each.field) assert.equal(named[0]?.field, each.field);
      assert.equal(await (await orderedLog(tracker)).head(), head);
    });

  it('gives the same answers over gRPC, with the violations in the details', async () => {
    const rejected = (promise: Promise<unknown>, code: number, text: RegExp) =>
      assert.rejects(promise, (error: { code: number; details: string; violations: string[] }) => {
        assert.equal(error.code, code, error.details);
        assert.match([error.details, ...error.violations].join(' '), text);
        return true;
      });
    await rejected(tracker.grpc(UserServiceService.createUser, { name: '', email: 'a@b.example' }), 3, /name/);
    await rejected(tracker.grpc(UserServiceService.getUser, { id: '17' }), 3, /id/);
    await rejected(tracker.grpc(UserServiceService.getUser, { id: UUID }), 5, new RegExp(UUID));
    await rejected(
      tracker.grpc(IssueServiceService.createIssue, { projectId, summary: 'x'.repeat(201) }),
      3,
      /summary/,
    );
    await rejected(tracker.grpcBytes('/userpb.UserService/CreateUser', Buffer.from([0x0a, 0x02, 0xff, 0xfe])), 3, /./);
    await rejected(tracker.grpcBytes('/userpb.UserService/CreateUser', Buffer.from([0x0a, 0x7f])), 3, /./);
  });

  it('does not take a polluted prototype from a body', () => {
    assert.equal(({} as Record<string, unknown>)['admin'], undefined);
  });
});
