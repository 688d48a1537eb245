import assert from 'node:assert/strict';
import { IssueServiceService as Issues } from '../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService as Projects } from '../../proto/gen/project/v1/project.ts';
import { UserServiceService as UsersV1 } from '../../proto/gen/user/v1/user.ts';
import { UserServiceService as UsersV2 } from '../../proto/gen/user/v2/user.ts';
import { type CallFailure, startTracker, type Tracker, type UnaryMethod } from '../support/tracker.ts';

type Resource = 'user' | 'project' | 'member' | 'issue';

interface Mutation {
  readonly name: string;
  readonly of: Resource;
  readonly verb: string;
  /** After the resource's path. */
  readonly action?: string;
  readonly version?: 'v2';
  readonly body?: object;
  // biome-ignore lint/suspicious/noExplicitAny: methods of any request
  readonly method: UnaryMethod<any, any>;
  /** Done before, for there to be something to do; it gives another etag. */
  readonly first?: string;
}

const mutations: readonly Mutation[] = [
  { name: 'UpdateUser v1', of: 'user', verb: 'PATCH', body: { name: 'New' }, method: UsersV1.updateUser },
  { name: 'DeleteUser v1', of: 'user', verb: 'DELETE', method: UsersV1.deleteUser },
  { name: 'UpdateUser v2', of: 'user', verb: 'PATCH', version: 'v2', body: { bio: 'New' }, method: UsersV2.updateUser },
  { name: 'DeleteUser v2', of: 'user', verb: 'DELETE', version: 'v2', method: UsersV2.deleteUser },
  {
    name: 'DeactivateUser',
    of: 'user',
    verb: 'POST',
    version: 'v2',
    action: ':deactivate',
    body: {},
    method: UsersV2.deactivateUser,
  },
  {
    name: 'ReactivateUser',
    of: 'user',
    verb: 'POST',
    version: 'v2',
    action: ':reactivate',
    body: {},
    method: UsersV2.reactivateUser,
    first: ':deactivate',
  },
  { name: 'UpdateProject', of: 'project', verb: 'PATCH', body: { name: 'New' }, method: Projects.updateProject },
  { name: 'DeleteProject', of: 'project', verb: 'DELETE', method: Projects.deleteProject },
  {
    name: 'ArchiveProject',
    of: 'project',
    verb: 'POST',
    action: ':archive',
    body: {},
    method: Projects.archiveProject,
  },
  {
    name: 'UnarchiveProject',
    of: 'project',
    verb: 'POST',
    action: ':unarchive',
    body: {},
    method: Projects.unarchiveProject,
    first: ':archive',
  },
  {
    name: 'UpdateProjectMember',
    of: 'member',
    verb: 'PATCH',
    body: { role: 'OWNER' },
    method: Projects.updateProjectMember,
  },
  { name: 'RemoveProjectMember', of: 'member', verb: 'DELETE', method: Projects.removeProjectMember },
  { name: 'UpdateIssue', of: 'issue', verb: 'PATCH', body: { summary: 'New' }, method: Issues.updateIssue },
  {
    name: 'TransitionIssue',
    of: 'issue',
    verb: 'POST',
    action: ':transition',
    body: { status: 'CLOSED', resolution: 'FIXED' },
    method: Issues.transitionIssue,
  },
  { name: 'DeleteIssue', of: 'issue', verb: 'DELETE', method: Issues.deleteIssue },
];

/** A change of each that makes its etag another one. */
const touches: Readonly<Record<Resource, object>> = {
  user: { name: 'Touched' },
  project: { description: 'touched' },
  member: { role: 'VIEWER' },
  issue: { description: 'touched' },
};

describe('etags', () => {
  let tracker: Tracker;
  let made = 0;
  before(async () => {
    tracker = await startTracker();
  });
  after(() => tracker.stop());

  interface Thing {
    readonly path: string;
    /** How a gRPC request names it. */
    readonly name: Readonly<Record<string, string>>;
    read(): Promise<{ etag: string } | undefined>;
  }

  const post = async (path: string, body: object) => {
    const answer = await tracker.http('POST', path, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  const newUser = () => post('/v1/users', { name: 'Ann', email: `ann${++made}@example.com` });
  const newProject = () => post('/v1/projects', { name: 'Core' });

  const make: Readonly<Record<Resource, () => Promise<Thing>>> = {
    async user() {
      const { user } = await newUser();
      // By version 2, which shows more of what could have changed.
      return thing(`/v1/users/${user.id}`, { id: user.id }, `/v2/users/${user.id}`, 'user');
    },
    async project() {
      const { project } = await newProject();
      return thing(`/v1/projects/${project.id}`, { id: project.id }, `/v1/projects/${project.id}`, 'project');
    },
    async member() {
      const [{ user }, { project }] = [await newUser(), await newProject()];
      await post(`/v1/projects/${project.id}/members`, { userId: user.id });
      const path = `/v1/projects/${project.id}/members`;
      return {
        path: `${path}/${user.id}`,
        name: { projectId: project.id, userId: user.id },
        read: async () => (await tracker.http('GET', path)).body.members[0],
      };
    },
    async issue() {
      const { project } = await newProject();
      const { issue } = await post('/v1/issues', { projectId: project.id, summary: 'It breaks' });
      return thing(`/v1/issues/${issue.key}`, { id: issue.id }, `/v1/issues/${issue.id}`, 'issue');
    },
  };

  function thing(path: string, name: Thing['name'], readPath: string, resource: string): Thing {
    return { path, name, read: async () => (await tracker.http('GET', readPath)).body[resource] };
  }

  /** A thing, an etag that it had, and the one that it has. */
  async function changed({ of, first }: Mutation) {
    const it = await make[of]();
    const stale = (await it.read())!.etag;
    if (first) await post(`${it.path.replace('/v1/users', '/v2/users')}${first}`, {});
    assert.equal((await tracker.http('PATCH', it.path, touches[of])).status, 200);
    const current = (await it.read())!.etag;
    assert.notEqual(current, stale);
    return { it, stale, current };
  }

  const rest = ({ verb, action = '', version, body }: Mutation, { path }: Thing, etag: string) =>
    tracker.http(verb, `${version ? path.replace('/v1/', '/v2/') : path}${action}`, body, { 'if-match': `"${etag}"` });
  const grpc = ({ method, body }: Mutation, { name }: Thing, etag: string): Promise<Record<string, { etag: string }>> =>
    tracker.grpc(method, { ...name, ...body, etag });

  for (const mutation of mutations)
    describe(mutation.name, () => {
      it('refuses a stale etag and changes nothing', async () => {
        const { it, stale } = await changed(mutation);
        const before = await it.read();
        for (const etag of [stale, 'zzz']) {
          const { status, body } = await rest(mutation, it, etag);
          assert.equal(status, 412, JSON.stringify(body));
          assert.equal(body.error.status, 'ABORTED');
          assert.equal(body.error.details[0].reason, 'ETAG_MISMATCH');
          assert.deepEqual(await it.read(), before);
          await assert.rejects(grpc(mutation, it, etag), ({ code, reason }: CallFailure) => {
            assert.deepEqual([code, reason], [10, 'ETAG_MISMATCH']);
            return true;
          });
          assert.deepEqual(await it.read(), before);
        }
      });

      it('accepts the current etag, once, over REST', async () => {
        const { it, current } = await changed(mutation);
        const { status, body } = await rest(mutation, it, current);
        assert.equal(status, 200, JSON.stringify(body));
        const now = await it.read();
        if (mutation.verb === 'DELETE') assert.equal(now, undefined);
        else assert.notEqual(now?.etag, current);
        assert.equal((await rest(mutation, it, current)).status, mutation.verb === 'DELETE' ? 404 : 412);
      });

      it('accepts the current etag over gRPC, and answers with the new one', async () => {
        const { it, current } = await changed(mutation);
        const answer = await grpc(mutation, it, current);
        const now = await it.read();
        if (mutation.verb === 'DELETE') assert.equal(now, undefined);
        else assert.deepEqual([answer[mutation.of]?.etag, now?.etag === current], [now?.etag, false]);
      });

      if (mutation.verb !== 'DELETE' && mutation.action !== ':transition')
        it('refuses a stale etag also where there is nothing to change', async () => {
          const { it, current } = await changed(mutation);
          assert.equal((await rest(mutation, it, current)).status, 200);
          const before = await it.read();
          assert.equal((await rest(mutation, it, current)).status, 412);
          const again = await rest(mutation, it, before!.etag);
          assert.equal(again.status, 200, JSON.stringify(again.body));
          assert.deepEqual(await it.read(), before);
        });
    });

  it('of a membership that ended are not those of the one that began again', async () => {
    const { path, name, read } = await make.member();
    const former = (await read())!.etag;
    const { userId } = name;
    assert.equal((await tracker.http('DELETE', path)).status, 200);
    await post(path.slice(0, path.lastIndexOf('/')), { userId });
    const now = await read();
    assert.notEqual(now?.etag, former);
    for (const [verb, body] of [
      ['PATCH', { role: 'OWNER' }],
      ['DELETE', undefined],
    ] as const)
      assert.equal((await tracker.http(verb, path, body, { 'if-match': `"${former}"` })).status, 412);
    assert.deepEqual(await read(), now);
  });

  it('of what was read validate a copy of it: a change of anything that it shows is never hidden', async () => {
    const project = await make.project();
    const issue = await make.issue();
    const { projectId } = (await tracker.http('GET', issue.path)).body.issue;
    const details = `${issue.path}?include_details=true`;
    const changes: [string, () => Promise<unknown>][] = [
      // Neither of these changes the etag of the project, or of the issue.
      [project.path, () => post('/v1/issues', { projectId: project.name['id'], summary: 'one' })],
      [details, () => tracker.http('PATCH', `/v1/projects/${projectId}`, { description: 'changed' })],
      [issue.path, () => tracker.http('PATCH', issue.path, { summary: 'changed' })],
    ];
    for (const [path, change] of changes) {
      const first = await tracker.http('GET', path);
      const condition = { 'if-none-match': first.headers.get('etag') ?? 'missing' };
      const same = await tracker.http('GET', path, undefined, condition);
      assert.deepEqual([path, same.status, same.body], [path, 304, '']);
      await change();
      const after = await tracker.http('GET', path, undefined, condition);
      const plain = await tracker.http('GET', path);
      assert.deepEqual([path, after.status, after.body], [path, 200, plain.body]);
      const [resource] = Object.values<{ etag: string }>(first.body);
      assert.ok(first.headers.get('etag')?.startsWith(`"${resource?.etag}~`));
    }
    const read = await tracker.http('GET', project.path);
    const etag = read.headers.get('etag') ?? '';
    await post('/v1/issues', { projectId: project.name['id'], summary: 'two' });
    assert.equal((await tracker.http('PATCH', project.path, { name: 'X' }, { 'if-match': etag })).status, 200);
    assert.equal((await tracker.http('PATCH', project.path, { name: 'Y' }, { 'if-match': etag })).status, 412);
  });

  it('stay when nothing changes, and of a project when an issue does', async () => {
    const { path, name, read } = await make.project();
    const before = (await read())!.etag;
    await tracker.http('PATCH', path, { name: 'Core' });
    await post('/v1/issues', { projectId: name['id'], summary: 'one' });
    assert.equal((await read())!.etag, before);
  });
});
