import assert from 'node:assert/strict';
import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { ProjectServiceService } from '../../proto/gen/project/v1/project.ts';
import { UserServiceService } from '../../proto/gen/user/v2/user.ts';
import { checkLog, Replay, readLog } from '../support/replay.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { mutations, runWorkload, testSeed } from '../support/workload.ts';

const MESSAGE_LIMIT = 4 * 1024 * 1024;

describe('the log and what is shown', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  const user = async (name: string) =>
    (await tracker.http('POST', '/v1/users', { name, email: `${name}@example.com` })).body.user.id as string;
  const project = async (name: string) =>
    (await tracker.http('POST', '/v1/projects', { name })).body.project.id as string;

  /** All pages, each of which must fit a message. */
  async function pages<T>(page: (pageToken: string) => Promise<{ items: readonly T[]; bytes: number; next: string }>) {
    const all: T[] = [];
    let count = 0;
    for (let token: string | undefined; token !== ''; count += 1) {
      const { items, bytes, next } = await page(token ?? '');
      assert.ok(bytes < MESSAGE_LIMIT, `a page of ${bytes} bytes`);
      all.push(...items);
      token = next;
    }
    assert.ok(count > 1, 'it takes several pages');
    return all;
  }

  it('agree after any work of many at once', async () => {
    const seed = testSeed();
    try {
      const accepted = await runWorkload(tracker, { seed, decks: 8 });
      for (const name of mutations) assert.ok(accepted[name] > 0, `none of ${name} was accepted`);
      await checkLog(tracker);
    } catch (error) {
      console.error(`TEST_SEED=${seed}`);
      throw error;
    }
  });

  it('agree when the work is done one after the other', async () => {
    const seed = testSeed();
    try {
      await runWorkload(tracker, { seed, decks: 4, lanes: 1 });
      await checkLog(tracker);
    } catch (error) {
      console.error(`TEST_SEED=${seed}`);
      throw error;
    }
  });

  it('show a project as it was after the one revision that they show with it', async () => {
    const id = await project('Core');
    const done = { writing: true };
    const updates = (async () => {
      for (let i = 0; i < 60; i += 1)
        assert.equal((await tracker.http('PATCH', `/v1/projects/${id}`, { name: `n${i}` })).status, 200);
    })();
    const creates = Promise.all(
      Array.from({ length: 4 }, async () => {
        for (let i = 0; i < 15; i += 1) await tracker.http('POST', '/v1/issues', { projectId: id, summary: 'one' });
      }),
    );
    void Promise.all([updates, creates]).finally(() => {
      done.writing = false;
    });
    const seen: { name: string; revision: number; counts: object; etag: string; updatedAt: string }[] = [];
    const reader = async () => {
      let newest = 0;
      while (done.writing) {
        const { body } = await tracker.http('GET', `/v1/projects/${id}`);
        const { name, etag, updatedAt, issueCount: issue_count, openIssueCount: open_issue_count } = body.project;
        const revision = Number(body.project.revision);
        assert.ok(revision >= newest, 'a later read does not show less');
        newest = revision;
        seen.push({ name, revision, counts: { issue_count, open_issue_count }, etag, updatedAt });
      }
    };
    await Promise.all([updates, creates, reader(), reader()]);

    const at = new Map<number, { name: unknown; counts: object; version: unknown }>();
    const replay = new Replay();
    for (const change of await readLog(tracker)) {
      replay.apply(change);
      const row = replay.projects.get(id)!;
      at.set(change.revision, { name: row['name'], counts: replay.counts(id), version: row['version'] });
    }
    const etags = new Map<unknown, string>();
    for (const { name, revision, counts, etag } of seen) {
      const then = at.get(revision)!;
      assert.deepEqual({ name, counts }, { name: then.name, counts: then.counts }, `revision ${revision}`);
      assert.equal(etag, etags.get(then.version) ?? etag, 'one state of the project has one etag');
      etags.set(then.version, etag);
    }
    assert.equal(new Set(etags.values()).size, etags.size, 'two states have two etags');
  });

  it('have no member who was inactive', async () => {
    const [id, ann] = [await project('Core'), await user('ann')];
    await tracker.http('POST', `/v2/users/${ann}:deactivate`, {});
    const { status, body } = await tracker.http('POST', `/v1/projects/${id}/members`, { userId: ann });
    assert.equal(status, 400);
    assert.match(JSON.stringify(body.error.details), /"field":"user_id"/);
    assert.deepEqual((await tracker.http('GET', `/v1/projects/${id}/members`)).body.members, []);
    await tracker.http('POST', `/v2/users/${ann}:reactivate`, {});
    assert.equal((await tracker.http('POST', `/v1/projects/${id}/members`, { userId: ann })).status, 200);
    await tracker.http('POST', `/v2/users/${ann}:deactivate`, {});
    const { members } = (await tracker.http('GET', `/v1/projects/${id}/members`)).body;
    assert.equal(members.length, 1, 'a member who is deactivated stays one');
  });

  it('end a user with more than a thousand issues only when forced, and take no new ones meanwhile', async () => {
    const [id, ann] = [await project('Core'), await user('ann')];
    for (let made = 0; made < 1001; made += 91)
      await Promise.all(
        Array.from({ length: 91 }, () =>
          tracker.grpc(IssueServiceService.createIssue, { projectId: id, summary: 'one', assigneeId: ann }),
        ),
      );
    const head = (await readLog(tracker)).length;
    const refused = await tracker.http('DELETE', `/v1/users/${ann}`);
    assert.equal(refused.body.error.status, 'FAILED_PRECONDITION');
    assert.equal((await readLog(tracker)).length, head, 'nothing was changed');
    assert.equal((await tracker.http('DELETE', `/v1/users/${ann}?force=true`)).status, 200);
    const changes = (await readLog(tracker)).slice(head);
    const [first, last] = [changes[0]!, changes.at(-1)!];
    assert.notEqual(first.transaction, last.transaction);
    const deactivated = changes.find(({ entity }) => entity === 'user')!;
    assert.deepEqual([deactivated.kind, deactivated.fields], ['UPDATED', ['is_active']]);
    assert.equal(deactivated.transaction, first.transaction);
    assert.deepEqual([last.entity, last.kind], ['user', 'DELETED']);
    const replay = new Replay();
    for (const change of await readLog(tracker)) replay.apply(change);
    assert.deepEqual(replay.counts(id), { issue_count: 1001, open_issue_count: 1001 });
  });

  it('end a user with a thousand issues in one transaction, without force', async () => {
    const [id, ann] = [await project('Core'), await user('ann')];
    for (let made = 0; made < 1000; made += 100)
      await Promise.all(
        Array.from({ length: 100 }, () =>
          tracker.grpc(IssueServiceService.createIssue, { projectId: id, summary: 'one', assigneeId: ann }),
        ),
      );
    const head = (await readLog(tracker)).length;
    assert.equal((await tracker.http('DELETE', `/v1/users/${ann}`)).status, 200);
    const changes = (await readLog(tracker)).slice(head);
    assert.equal(changes.length, 1001);
    assert.equal(new Set(changes.map(({ transaction }) => transaction)).size, 1);
  });

  it('come in pages of users, listed and found, that fit a message', async () => {
    const wide = (count: number) => '😀'.repeat(count);
    const made = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        tracker.grpc(UserServiceService.createUser, {
          name: `Wide ${wide(90)}`,
          firstName: wide(100),
          lastName: wide(100),
          email: `wide${i}@example.com`,
          avatarUrl: `https://x/${wide(2038)}`,
          bio: wide(2000),
        }),
      ),
    );
    const ids = made.map((each) => each.user!.id).sort();
    const { listUsers, searchUsers } = UserServiceService;
    const listed = await pages(async (pageToken) => {
      const page = await tracker.grpc(listUsers, { pageSize: 1000, pageToken });
      return { items: page.users, bytes: listUsers.responseSerialize(page).length, next: page.nextPageToken };
    });
    assert.deepEqual(listed.map(({ id }) => id).sort(), ids);
    const found = await pages(async (pageToken) => {
      const page = await tracker.grpc(searchUsers, { query: 'wide', pageSize: 1000, pageToken });
      return { items: page.users, bytes: searchUsers.responseSerialize(page).length, next: page.nextPageToken };
    });
    assert.deepEqual(found.map(({ id }) => id).sort(), ids);
  });

  it('come in pages of projects that fit a message', async () => {
    const { createProject, listProjects } = ProjectServiceService;
    const made = await Promise.all(
      Array.from({ length: 240 }, (_, i) =>
        tracker.grpc(createProject, {
          key: `W${i}`.padEnd(3, 'X'),
          name: '😀'.repeat(100),
          description: '😀'.repeat(5000),
        }),
      ),
    );
    const listed = await pages(async (pageToken) => {
      const page = await tracker.grpc(listProjects, { pageSize: 1000, pageToken });
      return { items: page.projects, bytes: listProjects.responseSerialize(page).length, next: page.nextPageToken };
    });
    assert.deepEqual(listed.map(({ id }) => id).sort(), made.map((each) => each.project!.id).sort());
  });

  it('come in pages of a history of long texts that fit a message', async () => {
    const id = await project('Core');
    const { issue } = await tracker.grpc(IssueServiceService.createIssue, { projectId: id, summary: 'long' });
    const text = (i: number) => `${'😀'.repeat(19_990)}${i}`;
    for (let i = 0; i < 60; i += 1)
      await tracker.grpc(IssueServiceService.updateIssue, { id: issue!.id, description: text(i) });
    const { listIssueHistory } = IssueServiceService;
    const entries = await pages(async (pageToken) => {
      const page = await tracker.grpc(listIssueHistory, { id: issue!.id, pageSize: 1000, pageToken });
      return { items: page.entries, bytes: listIssueHistory.responseSerialize(page).length, next: page.nextPageToken };
    });
    assert.deepEqual(
      entries.slice(1).map(({ changes }) => changes.map(({ field, to }) => [field, to.slice(-2)])),
      Array.from({ length: 60 }, (_, i) => [['description', text(i).slice(-2)]]),
    );
    assert.equal(new Set(entries.map((entry) => entry.id)).size, 61);
  });
});
