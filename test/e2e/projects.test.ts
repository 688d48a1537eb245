import assert from 'node:assert/strict';
import { ProjectServiceService } from '../../proto/gen/project/v1/project.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

describe('projects', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  const create = async (body: object) => (await tracker.http('POST', '/v1/projects', body)).body.project;
  const user = async (name: string) =>
    (await tracker.http('POST', '/v1/users', { name, email: `${name}@example.com` })).body.user.id as string;
  const issue = async (projectId: string, more: object = {}) =>
    (await tracker.http('POST', '/v1/issues', { projectId, summary: 'one', ...more })).body.issue;

  it('derives a key from the name, and another one when it is taken', async () => {
    assert.equal((await create({ name: 'Issue Tracker' })).key, 'IT');
    assert.equal((await create({ name: 'Issue Tracker' })).key, 'IT2');
    assert.equal((await create({ name: 'core' })).key, 'CORE');
    assert.match((await create({ name: '日本' })).key, /^[A-Z0-9]{2,10}$/);
  });

  it('keeps the key of a deleted project reserved', async () => {
    const project = await create({ name: 'Core', key: 'CORE' });
    assert.equal((await tracker.http('DELETE', `/v1/projects/${project.id}`)).status, 200);
    const again = await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' });
    assert.equal(again.status, 409);
    assert.equal(again.body.error.details[0].reason, 'PROJECT_KEY_TAKEN');
  });

  it('refuses to delete a project that holds issues, unless forced, and then deletes them too', async () => {
    const project = await create({ name: 'Core' });
    const { id, key } = await issue(project.id);
    const refused = await tracker.http('DELETE', `/v1/projects/${project.id}`);
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.status, 'FAILED_PRECONDITION');
    assert.equal((await tracker.http('GET', `/v1/issues/${key}`)).status, 200);
    assert.equal((await tracker.http('DELETE', `/v1/projects/${project.id}?force=true`)).status, 200);
    assert.equal((await tracker.http('GET', `/v1/issues/${id}`)).status, 404);
    assert.equal((await tracker.http('GET', `/v1/projects/${project.id}`)).status, 404);
  });

  it('counts all and open issues after every create, transition and delete', async () => {
    const project = await create({ name: 'Core' });
    const counts = async () => {
      const { body } = await tracker.http('GET', `/v1/projects/${project.id}`);
      return [body.project.issueCount, body.project.openIssueCount];
    };
    const first = await issue(project.id);
    await issue(project.id);
    assert.deepEqual(await counts(), [2, 2]);
    await tracker.http('POST', `/v1/issues/${first.key}:transition`, { status: 'RESOLVED', resolution: 'FIXED' });
    assert.deepEqual(await counts(), [2, 1]);
    await tracker.http('POST', `/v1/issues/${first.key}:transition`, { status: 'REOPENED' });
    assert.deepEqual(await counts(), [2, 2]);
    await tracker.http('DELETE', `/v1/issues/${first.key}`);
    assert.deepEqual(await counts(), [1, 1]);
  });

  it('has an etag and a time of its own that an issue does not change, and a revision that it does', async () => {
    const project = await create({ name: 'Core' });
    await issue(project.id);
    const { body } = await tracker.http('GET', `/v1/projects/${project.id}`);
    assert.equal(body.project.etag, project.etag);
    assert.equal(body.project.updatedAt, project.updatedAt);
    assert.equal(Number(body.project.revision), Number(project.revision) + 1);
  });

  it('archives: issues can be read and no longer changed', async () => {
    const project = await create({ name: 'Core' });
    const { key } = await issue(project.id);
    const archived = await tracker.http('POST', `/v1/projects/${project.id}:archive`, {});
    assert.equal(archived.body.project.archived, true);
    for (const attempt of [
      tracker.http('PATCH', `/v1/issues/${key}`, { summary: 'x' }),
      tracker.http('POST', '/v1/issues', { projectId: project.id, summary: 'x' }),
      tracker.http('DELETE', `/v1/issues/${key}`),
    ])
      assert.equal((await attempt).body.error.details[0].reason, 'PROJECT_ARCHIVED');
    assert.equal((await tracker.http('GET', `/v1/issues/${key}`)).body.issue.summary, 'one');
    await tracker.http('POST', `/v1/projects/${project.id}:unarchive`, {});
    assert.equal((await tracker.http('PATCH', `/v1/issues/${key}`, { summary: 'x' })).status, 200);
  });

  it('manages members, and ends a membership with its user', async () => {
    const project = await create({ name: 'Core' });
    const [ann, bob] = [await user('ann'), await user('bob')];
    const members = `/v1/projects/${project.id}/members`;
    assert.equal((await tracker.http('POST', members, { userId: ann, role: 'OWNER' })).body.member.role, 'OWNER');
    assert.equal((await tracker.http('POST', members, { userId: bob })).body.member.role, 'MEMBER');
    assert.equal((await tracker.http('POST', members, { userId: bob })).status, 409);
    const king = await tracker.http('POST', members, { userId: ann, role: 'KING' });
    assert.equal(king.status, 400);
    assert.equal(king.body.error.message, 'role: must be in list [OWNER, MEMBER, VIEWER]');
    assert.equal((await tracker.http('PATCH', `${members}/${bob}`, { role: 'VIEWER' })).body.member.role, 'VIEWER');
    await tracker.http('DELETE', `/v1/users/${ann}`);
    const { body } = await tracker.http('GET', members);
    assert.deepEqual(
      body.members.map((member: { userId: string }) => member.userId),
      [bob],
    );
    assert.equal((await tracker.http('DELETE', `${members}/${bob}`)).status, 200);
    assert.equal((await tracker.http('DELETE', `${members}/${bob}`)).status, 404);
  });

  it('names the field of a user that does not exist, and has no members of a project that does not', async () => {
    const project = await create({ name: 'Core' });
    const nobody = '01900000-0000-7000-8000-000000000000';
    const { status, body } = await tracker.http('POST', `/v1/projects/${project.id}/members`, { userId: nobody });
    assert.equal(status, 400);
    assert.match(JSON.stringify(body), /user_id/);
    assert.equal((await tracker.http('GET', `/v1/projects/${nobody}/members`)).status, 404);
  });

  it('shows the default workflow', async () => {
    const project = await create({ name: 'Core' });
    const { workflow } = await tracker.grpc(ProjectServiceService.getWorkflow, { projectId: project.id });
    assert.deepEqual(workflow?.types, ['BUG', 'FEATURE', 'COSMETIC', 'PERFORMANCE']);
    assert.deepEqual(workflow?.transitions.find(({ from }) => from === 'CLOSED')?.to, ['REOPENED']);
    assert.equal(workflow?.statuses.find(({ name }) => name === 'RESOLVED')?.category, 'DONE');
  });
});
