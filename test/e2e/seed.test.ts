import assert from 'node:assert/strict';
import { startTracker } from '../support/tracker.ts';

const seeded = { SEED_USER_COUNT: '10', SEED_PROJECT_COUNT: '10', SEED_RELATIONSHIPS: 'true' };

/** The seeded data but for ids and times, in the order of creation. */
async function snapshot(variables: Record<string, string>) {
  const tracker = await startTracker(variables);
  try {
    const list = async (path: string) => (await tracker.http('GET', `${path}?page_size=1000`)).body;
    const { users } = await list('/v2/users');
    const { projects } = await list('/v1/projects');
    const { issues } = await list('/v1/issues');
    const members = [];
    for (const { id } of projects) members.push((await list(`/v1/projects/${id}/members`)).members);
    return { users, projects, issues, members };
  } finally {
    await tracker.stop();
  }
}

describe('seeding', () => {
  it('makes the users and projects asked for, with members and issues that agree with the counts', async () => {
    const { users, projects, issues, members } = await snapshot(seeded);
    assert.equal(users.length, 10);
    assert.equal(projects.length, 10);
    for (const [i, project] of projects.entries()) {
      const own = issues.filter((issue: { projectId: string }) => issue.projectId === project.id);
      assert.ok(own.length >= 1 && own.length <= 5, `${own.length} issues`);
      assert.equal(project.issueCount, own.length);
      const open = own.filter(({ status }: { status: string }) => !['RESOLVED', 'CLOSED'].includes(status));
      assert.equal(project.openIssueCount, open.length);
      assert.ok(members[i].length >= 2);
      assert.equal(members[i].filter((member: { role: string }) => member.role === 'OWNER').length, 1);
    }
    assert.ok(new Set(issues.map((issue: { status: string }) => issue.status)).size >= 3);
  });

  it('makes the same data at every start', async () => {
    const shape = ({ users, projects, issues }: Awaited<ReturnType<typeof snapshot>>) => ({
      users: users.map(({ name, email }: Record<string, string>) => [name, email]),
      projects: projects.map(({ key, name }: Record<string, string>) => [key, name]),
      issues: issues.map(({ key, summary, status, priority }: Record<string, string>) => [
        key,
        summary,
        status,
        priority,
      ]),
    });
    assert.deepEqual(shape(await snapshot(seeded)), shape(await snapshot(seeded)));
  });

  it('makes five users and projects by default, and none in production', async () => {
    const usual = await snapshot({ SEED_USER_COUNT: '', SEED_PROJECT_COUNT: '' });
    assert.deepEqual([usual.users.length, usual.projects.length, usual.issues.length], [5, 5, 0]);
    const production = await snapshot({ ...seeded, ENVIRONMENT: 'production', DB_MIGRATE: 'auto' });
    assert.deepEqual([production.users.length, production.projects.length], [0, 0]);
  });
});
