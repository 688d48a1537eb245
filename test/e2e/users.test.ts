import assert from 'node:assert/strict';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { UserServiceService as V1 } from '../../proto/gen/user/v1/user.ts';
import { UserServiceService as V2 } from '../../proto/gen/user/v2/user.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

describe('users', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  const create = (name: string, email: string) => tracker.http('POST', '/v1/users', { name, email });

  it('creates a user over gRPC with the names of the original example', async () => {
    const { user } = await tracker.grpc(V1.createUser, { name: 'Test User', email: 'test@example.com' });
    assert.equal(user?.name, 'Test User');
    assert.match(user?.id ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const { body } = await tracker.http('GET', `/v1/users/${user?.id}`);
    assert.equal(body.user.email, 'test@example.com');
    assert.equal(body.user.etag, user?.etag);
  });

  it('shows the same person in both versions', async () => {
    const { body } = await tracker.http('POST', '/v2/users', {
      name: 'Ada',
      firstName: 'Ada',
      email: ' Ada@Example.com ',
      timeZone: 'Europe/London',
      locale: 'en-GB',
    });
    assert.equal(body.user.email, 'Ada@Example.com');
    assert.equal(body.user.isActive, true);
    assert.equal(body.user.role, 'USER');
    const v1 = await tracker.grpc(V1.getUser, { id: body.user.id });
    assert.equal(v1.user?.email, 'Ada@Example.com');
    await tracker.http('PATCH', `/v1/users/${body.user.id}`, { name: 'Countess' });
    const v2 = await tracker.grpc(V2.getUser, { id: body.user.id });
    assert.equal(v2.user?.name, 'Countess');
    assert.equal(v2.user?.firstName, 'Ada');
    assert.equal(v2.user?.timeZone, 'Europe/London');
  });

  it('refuses an address that is taken, in another letter case too, and stores nothing', async () => {
    await create('One', 'one@example.com');
    const again = await create('Two', 'ONE@example.COM');
    assert.equal(again.status, 409);
    assert.equal(again.body.error.status, 'ALREADY_EXISTS');
    assert.deepEqual(fields(again.body), ['email']);
    const { body } = await tracker.http('GET', '/v1/users');
    assert.equal(body.users.length, 1);
  });

  it('frees the address of a deleted user', async () => {
    const first = await create('One', 'one@example.com');
    assert.equal((await tracker.http('DELETE', `/v1/users/${first.body.user.id}`)).status, 200);
    assert.equal((await tracker.http('GET', `/v1/users/${first.body.user.id}`)).status, 404);
    assert.equal((await create('Two', 'one@example.com')).status, 200);
  });

  it('changes only what the mask names, and clears what the mask names and the request leaves out', async () => {
    const { body } = await tracker.http('POST', '/v2/users', {
      name: 'Ada',
      email: 'a@example.com',
      bio: 'math',
      locale: 'en',
    });
    const id = body.user.id;
    const { user } = await tracker.grpc(V2.updateUser, {
      id,
      name: 'Ignored',
      bio: 'poetry',
      updateMask: ['bio', 'locale'],
    });
    assert.equal(user?.name, 'Ada');
    assert.equal(user?.bio, 'poetry');
    assert.equal(user?.locale, '');
  });

  it('leaves absent fields as they are without a mask, over gRPC and REST', async () => {
    const { body } = await tracker.http('POST', '/v2/users', { name: 'Ada', email: 'a@example.com', bio: 'math' });
    const id = body.user.id;
    await tracker.grpc(V2.updateUser, { id, firstName: 'Augusta' });
    const patched = await tracker.http('PATCH', `/v2/users/${id}`, { lastName: 'King' });
    assert.deepEqual(
      [patched.body.user.name, patched.body.user.firstName, patched.body.user.lastName, patched.body.user.bio],
      ['Ada', 'Augusta', 'King', 'math'],
    );
  });

  it('refuses a change of what has changed since it was read', async () => {
    const { body, headers } = await create('Ada', 'a@example.com');
    const path = `/v1/users/${body.user.id}`;
    const etag = headers.get('etag') ?? '';
    assert.equal((await tracker.http('PATCH', path, { name: 'B' }, { 'if-match': etag })).status, 200);
    const stale = await tracker.http('PATCH', path, { name: 'C' }, { 'if-match': etag });
    assert.equal(stale.status, 412);
    assert.equal(stale.body.error.details[0].reason, 'ETAG_MISMATCH');
    await assert.rejects(tracker.grpc(V1.deleteUser, { id: body.user.id, etag: body.user.etag }), { code: 10 });
    assert.equal((await tracker.http('GET', path)).body.user.name, 'B');
  });

  it('does not count a change that changes nothing', async () => {
    const { body } = await create('Ada', 'a@example.com');
    const again = await tracker.http('PATCH', `/v1/users/${body.user.id}`, { name: 'Ada' });
    assert.equal(again.body.user.etag, body.user.etag);
    assert.deepEqual(again.body.user.updatedAt, body.user.updatedAt);
  });

  it('deactivates and reactivates', async () => {
    const { body } = await create('Ada', 'a@example.com');
    const off = await tracker.http('POST', `/v2/users/${body.user.id}:deactivate`);
    assert.equal(off.body.user.isActive, false);
    const twice = await tracker.http('POST', `/v2/users/${body.user.id}:deactivate`, {});
    assert.equal(twice.body.user.etag, off.body.user.etag);
    const on = await tracker.http('POST', `/v2/users/${body.user.id}:reactivate`, {});
    assert.equal(on.body.user.isActive, true);
  });

  it('lists each user once, page by page, in the order that was asked for', async () => {
    for (const name of ['delta', 'alpha', 'charlie', 'bravo', 'echo']) await create(name, `${name}@example.com`);
    const names: string[] = [];
    let token = '';
    do {
      const { body } = await tracker.http('GET', `/v1/users?pageSize=2&order_by=name%20desc&page_token=${token}`);
      names.push(...body.users.map((user: { name: string }) => user.name));
      token = body.nextPageToken;
    } while (token !== '');
    assert.deepEqual(names, ['echo', 'delta', 'charlie', 'bravo', 'alpha']);
  });

  it('refuses a damaged token and one of another list', async () => {
    for (const name of ['a', 'b', 'c']) await create(name, `${name}@example.com`);
    const { body } = await tracker.http('GET', '/v1/users?page_size=1');
    const token: string = body.nextPageToken;
    for (const bad of [`${token}x`, token.slice(1), 'nonsense'])
      assert.deepEqual(fields((await tracker.http('GET', `/v1/users?page_token=${bad}`)).body), ['page_token']);
    const foreign = await tracker.http('GET', `/v1/users?order_by=name&page_token=${token}`);
    assert.equal(foreign.status, 400);
    assert.deepEqual(fields(foreign.body), ['page_token']);
  });

  it('filters by fields, AND and ranges', async () => {
    for (const name of ['ann', 'bob', 'cyd']) await create(name, `${name}@example.com`);
    const find = async (filter: string) =>
      (await tracker.http('GET', `/v1/users?filter=${encodeURIComponent(filter)}`)).body.users.map(
        (user: { name: string }) => user.name,
      );
    assert.deepEqual(await find('email = "BOB@example.com"'), ['bob']);
    assert.deepEqual(await find('name >= "b" AND name < "c"'), ['bob']);
    assert.deepEqual(await find('created_at > "2000-01-01T00:00:00Z" AND name = "cyd"'), ['cyd']);
  });

  it('needs force to let go of more than a thousand issues, and then unassigns each with its event', async () => {
    const { body } = await create('Busy', 'busy@example.com');
    const assigneeId: string = body.user.id;
    const project = await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' });
    const projectId: string = project.body.project.id;
    const method = IssueServiceService.createIssue;
    for (let left = 1001; left > 0; left -= 143)
      await Promise.all(
        Array.from({ length: 143 }, () => tracker.grpc(method, { projectId, summary: 'one', assigneeId })),
      );
    const refused = await tracker.http('DELETE', `/v1/users/${assigneeId}`);
    assert.equal(refused.body.error.details[0].reason, 'USER_HAS_REFERENCES');
    assert.equal(refused.body.error.details[0].metadata.count, '1001');
    assert.equal((await tracker.http('DELETE', `/v1/users/${assigneeId}?force=true`)).status, 200);
    assert.equal((await tracker.http('GET', `/v1/users/${assigneeId}`)).status, 404);
    const left = await tracker.http('GET', `/v1/issues?filter=assignee_id%20%3D%20${assigneeId}`);
    assert.deepEqual(left.body.issues, []);
    const { body: history } = await tracker.http('GET', '/v1/issues/CORE-1001/history');
    assert.equal(history.entries.length, 2);
  });

  it('searches names and addresses by the beginnings of words', async () => {
    await create('Grace Hopper', 'amazing@navy.example');
    await create('Ada Lovelace', 'ada@example.com');
    const { body } = await tracker.http('GET', '/v2/users:search?query=hop');
    assert.deepEqual(
      body.users.map((user: { name: string }) => user.name),
      ['Grace Hopper'],
    );
    assert.equal((await tracker.http('GET', '/v2/users:search?query=NAVY')).body.users.length, 1);
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a JSON error
const fields = (body: any): string[] =>
  body.error.details.flatMap((detail: { fieldViolations?: { field: string }[] }) =>
    (detail.fieldViolations ?? []).map((violation) => violation.field),
  );
