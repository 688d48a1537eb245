import assert from 'node:assert/strict';
import { clock } from '../../core/contracts/clock.ts';
import { store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { systemClock } from '../../core/lib/time.ts';
import { Answers, answersTable } from '../../plugins/api/answers.ts';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { onlyOn } from '../support/stores.ts';
import { strictStorage } from '../support/strict-store.ts';
import { type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

const DAY = 86_400_000_000;

describe('a call with an idempotency key', () => {
  let tracker: Tracker;
  let ahead = 0;
  const time = definePlugin({
    name: 'time',
    kernel: '^1.0.0',
    provides: { clock },
    setup: () => ({ provides: { clock: { now: () => systemClock.now() + ahead } } }),
  });
  before(async () => {
    tracker = await startTracker({}, { plugins: [time] });
  });
  after(() => tracker.stop());

  let made = 0;
  const key = () => `key-${++made}`;
  const person = () => ({ name: 'Ann', email: `ann-${++made}@example.com` });
  const post = (path: string, body: object, idempotencyKey?: string) =>
    tracker.http('POST', path, body, idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey });
  const newProject = async () => (await post('/v1/projects', { name: 'Core' })).body.project;
  const countUsers = async () => (await tracker.http('GET', '/v1/users?page_size=1000')).body.users.length;

  it('makes one issue of fifty equal creates at a time, and gives fifty equal answers', async () => {
    const { id: projectId } = await newProject();
    const name = key();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        i % 2
          ? post('/v1/issues', { projectId, summary: 'Once' }, name)
          : post('/v1/issues', { projectId, summary: 'Once', requestId: name }),
      ),
    );
    for (const { status, body } of answers) assert.deepEqual([status, body], [200, answers[0]!.body]);
    assert.equal((await tracker.http('GET', `/v1/projects/${projectId}`)).body.project.issueCount, 1);
  });

  it('is the same call over gRPC and REST, by header, metadata or field', async () => {
    const { id: projectId } = await newProject();
    const name = key();
    const { body } = await post('/v1/issues', { projectId, summary: 'Once' }, name);
    const request = { projectId, summary: 'Once' };
    const byField = await tracker.grpc(IssueServiceService.createIssue, { ...request, requestId: name });
    const metadata = { 'idempotency-key': name };
    const byMetadata = await tracker.grpc(IssueServiceService.createIssue, request, { metadata });
    const quoted = await post('/v1/issues', { projectId, summary: 'Once' }, `"${name}"`);
    for (const id of [byField.issue?.id, byMetadata.issue?.id, quoted.body.issue.id]) assert.equal(id, body.issue.id);
  });

  it('gets the first answer, whatever has happened since', async () => {
    const { id: projectId } = await newProject();
    const name = key();
    const first = await post('/v1/issues', { projectId, summary: 'First' }, name);
    await tracker.http('PATCH', `/v1/issues/${first.body.issue.id}`, { summary: 'Second' });
    assert.deepEqual((await post('/v1/issues', { projectId, summary: 'First' }, name)).body, first.body);
    await tracker.http('DELETE', `/v1/issues/${first.body.issue.id}`);
    assert.deepEqual((await post('/v1/issues', { projectId, summary: 'First' }, name)).body, first.body);
  });

  it('is refused as KEY_REUSED with another body, and stores nothing', async () => {
    const name = key();
    const one = person();
    assert.equal((await post('/v1/users', one, name)).status, 200);
    const before = await countUsers();
    const { status, body } = await post('/v1/users', { ...one, name: 'Bob', email: `bob-${made}@example.com` }, name);
    assert.deepEqual([status, body.error.status], [422, 'INVALID_ARGUMENT']);
    assert.equal(body.error.details[0].reason, 'KEY_REUSED');
    assert.match(JSON.stringify(body.error.details), /"field":"request_id"/);
    assert.equal(await countUsers(), before);
    await assert.rejects(
      tracker.grpc(UserServiceService.createUser, { ...person(), requestId: name }),
      (e: CallFailure) => /KEY_REUSED/.test(e.reason),
    );
  });

  it('may be used again by another method', async () => {
    const name = key();
    assert.equal((await post('/v1/users', person(), name)).status, 200);
    assert.equal((await post('/v2/users', person(), name)).status, 200);
    assert.equal((await post('/v1/projects', { name: 'Core' }, name)).status, 200);
  });

  it('runs anew after a failure: only successes are kept', async () => {
    const taken = person();
    const { body } = await post('/v1/users', taken);
    const name = key();
    const again = { ...taken, name: 'Other' };
    assert.equal((await post('/v1/users', again, name)).status, 409);
    await tracker.http('DELETE', `/v1/users/${body.user.id}`);
    assert.equal((await post('/v1/users', again, name)).status, 200);
  });

  it('is safe for changes and deletions too', async () => {
    const { id: projectId } = await newProject();
    const { issue } = (await post('/v1/issues', { projectId, summary: 'A' })).body;
    const send = (method: string, path: string, body: object | undefined, name: string, etag?: string) =>
      tracker.http(method, path, body, { 'idempotency-key': name, ...(etag ? { 'if-match': etag } : {}) });
    const path = `/v1/issues/${issue.id}`;
    const [change, move, drop] = [key(), key(), key()];
    for (const call of [
      () => send('PATCH', path, { summary: 'B' }, change, issue.etag),
      () => send('POST', `${path}:transition`, { status: 'CLOSED', resolution: 'FIXED' }, move),
      () => send('DELETE', path, undefined, drop),
    ]) {
      const first = await call();
      const second = await call();
      assert.equal(first.status, 200, JSON.stringify(first.body));
      assert.deepEqual([second.status, second.body], [200, first.body]);
    }
  });

  it('covers every method that writes', async () => {
    const { id } = await newProject();
    const { user } = (await post('/v1/users', person())).body;
    const calls: [string, string, object?][] = [
      ['PATCH', `/v1/users/${user.id}`, { name: 'N' }],
      ['PATCH', `/v2/users/${user.id}`, { bio: 'B' }],
      ['POST', `/v2/users/${user.id}:deactivate`, {}],
      ['POST', `/v2/users/${user.id}:reactivate`, {}],
      ['POST', `/v1/projects/${id}/members`, { userId: user.id }],
      ['PATCH', `/v1/projects/${id}/members/${user.id}`, { role: 'OWNER' }],
      ['DELETE', `/v1/projects/${id}/members/${user.id}`],
      ['PATCH', `/v1/projects/${id}`, { name: 'P' }],
      ['POST', `/v1/projects/${id}:archive`, {}],
      ['POST', `/v1/projects/${id}:unarchive`, {}],
      ['DELETE', `/v1/projects/${id}`],
      ['DELETE', `/v2/users/${user.id}`],
    ];
    for (const [method, path, body] of calls) {
      const headers = { 'idempotency-key': key() };
      const first = await tracker.http(method, path, body, headers);
      assert.equal(first.status, 200, `${method} ${path} ${JSON.stringify(first.body)}`);
      assert.deepEqual((await tracker.http(method, path, body, headers)).body, first.body, `${method} ${path}`);
    }
  });

  it('must be 1 to 255 visible characters, and the same in header and field', async () => {
    const bad = async (header: string | undefined, field?: string) => {
      const { status, body } = await post('/v1/users', { ...person(), ...(field && { requestId: field }) }, header);
      assert.equal(status, 400);
      assert.match(JSON.stringify(body.error.details), /"field":"request_id"/);
    };
    const before = await countUsers();
    await bad('two words');
    await bad('x'.repeat(256));
    await bad('""');
    await bad(undefined, 'two words');
    await bad(undefined, 'x'.repeat(256));
    await bad('one', 'two');
    assert.equal(await countUsers(), before);
    assert.equal((await post('/v1/users', { ...person(), requestId: 'x'.repeat(255) })).status, 200);
  });

  it('has the same rules in a batch as in a single call', async () => {
    const project = await newProject();
    const batches = [
      ['/v2/users:bulkCreate', person()],
      ['/v1/issues:batchCreate', { projectId: project.id, summary: 'x' }],
      ['/v1/issues:batchUpdate', { id: `${project.key}-1`, summary: 'x' }],
    ] as const;
    for (const requestId of ['two words', 'x'.repeat(256)]) {
      const { details } = (await post('/v1/users', { ...person(), requestId })).body.error;
      for (const [path, item] of batches) {
        const { status, body } = await post(path, { requests: [item], requestId });
        assert.deepEqual([path, status, body.error.details], [path, 400, details]);
      }
    }
  });

  it('means nothing to a call that reads', async () => {
    const headers = { 'idempotency-key': 'two words are fine here' };
    assert.equal((await tracker.http('GET', '/v1/users', undefined, headers)).status, 200);
  });

  it('is forgotten after a day', async () => {
    const name = key();
    const one = person();
    const first = await post('/v1/users', one, name);
    ahead += DAY - 60_000_000;
    assert.deepEqual((await post('/v1/users', one, name)).body, first.body);
    ahead += 120_000_000;
    assert.equal((await post('/v1/users', one, name)).status, 409, 'runs anew, and finds the address taken');
    assert.equal((await post('/v1/users', person(), name)).status, 200, 'the key is free for another request');
  });

  it('leaves an answer that is deleted when it is over', async () => {
    const all = tracker.service(store);
    const count = () => all.read((tx) => tx.table(answersTable).count());
    ahead += 2 * DAY;
    await post('/v1/users', person(), key());
    assert.ok((await count()) > 1);
    await new Answers(all, DAY / 1000).purge(new AbortController().signal);
    assert.equal(await count(), 1);
  });

  it('is kept in the transaction of its effect, also where that runs again or is told late of a twin', async function () {
    onlyOn(this, 'memdb', 'strictStorage is made of memdb');
    const { plugin, violations } = strictStorage();
    const strict = await startTracker({}, { replace: { 'storage-memdb': plugin } });
    try {
      const send = () =>
        strict.http('POST', '/v1/users', { name: 'Ann', email: 'ann@example.com' }, { 'idempotency-key': 'one' });
      const answers = await Promise.all(Array.from({ length: 8 }, send));
      for (const { status, body } of answers) assert.deepEqual([status, body], [200, answers[0]!.body]);
      assert.equal((await strict.http('GET', '/v1/users')).body.users.length, 1);
      assert.deepEqual(violations, []);
    } finally {
      await strict.stop();
    }
  });
});
