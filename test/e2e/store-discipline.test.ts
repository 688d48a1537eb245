import assert from 'node:assert/strict';
import { projectScopes } from '../../core/contracts/projects.ts';
import { type Store, store } from '../../core/contracts/store.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { onlyOn } from '../support/stores.ts';
import { type Discipline, strictStorage } from '../support/strict-store.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { mutations, runWorkload, testSeed } from '../support/workload.ts';

describe('the services, on the least helpful store', () => {
  let tracker: Tracker;
  let discipline: Discipline;
  before(function () {
    onlyOn(this, 'memdb', 'strictStorage is made of memdb');
  });
  beforeEach(async () => {
    discipline = strictStorage();
    tracker = await startTracker({}, { replace: { 'storage-memdb': discipline.plugin } });
  });
  afterEach(() => tracker.stop());

  const make = (path: string, body: object) => tracker.http('POST', path, body);
  /** So many writes that all have read before the first of them writes. */
  const together = <T>(length: number, fn: (i: number) => Promise<T>) => {
    discipline.together(length);
    return Promise.all(Array.from({ length }, (_, i) => fn(i)));
  };

  it('lock before they write, in one order, and may run again', async () => {
    const seed = testSeed();
    try {
      const accepted = await runWorkload(tracker, { seed, decks: 10, lanes: 6 });
      assert.deepEqual(discipline.violations, []);
      for (const name of mutations) assert.ok(accepted[name] > 0, `none of ${name} was accepted`);
      assert.ok(discipline.counts.rehearsals > 0 && discipline.counts.stale > 0, JSON.stringify(discipline.counts));
      await checkLog(tracker);
    } catch (error) {
      console.error(`TEST_SEED=${seed}`, discipline.violations);
      throw error;
    }
  });

  it('give one of two creators the key that both ask for', async () => {
    const answers = await together(8, () => make('/v1/projects', { name: 'Core', key: 'CORE' }));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(409)]);
    for (const { body } of answers.filter(({ status }) => status === 409)) {
      assert.equal(body.error.status, 'ALREADY_EXISTS');
      assert.match(JSON.stringify(body.error.details), /"field":"key"/);
    }
  });

  it('give creators of the same name keys of their own', async () => {
    const answers = await together(6, () => make('/v1/projects', { name: 'Issue Tracker' }));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(6).fill(200),
      JSON.stringify(answers.map(({ body }) => body)),
    );
    assert.equal(new Set(answers.map(({ body }) => body.project.key)).size, 6);
  });

  it('give one of two the address that both ask for, and tell the others the field', async () => {
    const answers = await together(8, (i) =>
      make(i % 2 ? '/v1/users' : '/v2/users', { name: 'Ann', email: i % 3 ? 'ANN@example.com' : 'ann@example.com' }),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(409)]);
    const [refused] = answers.filter(({ status }) => status === 409);
    assert.match(JSON.stringify(refused?.body.error.details), /"field":"email"/);
    const bob = (await make('/v1/users', { name: 'Bob', email: 'bob@example.com' })).body.user;
    const taken = await tracker.http('PATCH', `/v1/users/${bob.id}`, { email: 'Ann@Example.com' });
    assert.equal(taken.status, 409);
  });

  it('make a user a member once', async () => {
    const { project } = (await make('/v1/projects', { name: 'Core' })).body;
    const { user } = (await make('/v1/users', { name: 'Ann', email: 'ann@example.com' })).body;
    const answers = await together(5, () => make(`/v1/projects/${project.id}/members`, { userId: user.id }));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409, 409, 409]);
    const [refused] = answers.filter(({ status }) => status === 409);
    assert.match(JSON.stringify(refused?.body.error.details), /"field":"user_id"/);
  });

  it('let go of a user who is assigned and made a member in the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { user } = (await make('/v1/users', { name: 'Ann', email: 'ann@example.com' })).body;
      const projects = await together(
        4,
        async (i) => (await make('/v1/projects', { name: `Core ${i}` })).body.project.id,
      );
      const referring = [
        ...projects.map((projectId) => () => make('/v1/issues', { projectId, summary: 'one', assigneeId: user.id })),
        ...projects.map((projectId) => () => make(`/v1/projects/${projectId}/members`, { userId: user.id })),
      ];
      // Every write reads before the first one is performed; the user is deleted among the first, or the last.
      const arrived = discipline.together(9);
      const some = referring.splice(0, round * 2).map((refer) => refer());
      await arrived(some.length);
      const deleted = tracker.http('DELETE', `/v1/users/${user.id}`);
      await arrived(some.length + 1);
      const others = [...some, ...referring.map((refer) => refer())];
      assert.equal((await deleted).status, 200, JSON.stringify((await deleted).body));
      for (const { status, body } of await Promise.all(others))
        assert.ok(status === 200 || status === 400, JSON.stringify(body));
    }
    await checkLog(tracker);
  });

  it('move an issue from where it is, though it was found elsewhere', async () => {
    const project = async (name: string) => (await make('/v1/projects', { name })).body.project.id as string;
    const [from, ...others] = [await project('Core'), await project('Side'), await project('Web')];
    const { issue } = (await make('/v1/issues', { projectId: from, summary: 'one' })).body;
    const answers = await together(4, (i) =>
      i < 2
        ? make(`/v1/issues/${issue.key}:move`, { projectId: others[i] })
        : tracker.http('PATCH', `/v1/issues/${issue.key}`, { summary: `changed ${i}` }),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
      JSON.stringify(answers.map(({ body }) => body)),
    );
    assert.deepEqual(discipline.violations, []);
    assert.equal((await readLog(tracker)).filter(({ entity }) => entity === 'issue').length, 7);
    await checkLog(tracker);
  });

  it('change an issue that was moved away before the project in which it was found was deleted', async () => {
    const project = async (name: string) => (await make('/v1/projects', { name })).body.project.id as string;
    const [from, to, other] = [await project('Core'), await project('Side'), await project('Web')];
    const { issue } = (await make('/v1/issues', { projectId: from, summary: 'one' })).body;
    const path = `/v1/issues/${issue.key}`;
    const writes = [
      () => make(`${path}:move`, { projectId: to }),
      () => tracker.http('DELETE', `/v1/projects/${from}?force=true`),
      () => tracker.http('PATCH', path, { summary: 'changed' }),
      () => make('/v1/issues:batchUpdate', { requests: [{ id: issue.key, description: 'by the batch' }] }),
      () => make(`${path}:move`, { projectId: other }),
      () => tracker.http('DELETE', path),
    ];
    const arrived = discipline.together(writes.length);
    const answers: ReturnType<Tracker['http']>[] = [];
    for (const [index, write] of writes.entries()) {
      answers.push(write());
      await arrived(index + 1);
    }
    for (const answer of answers) {
      const { status, body } = await answer;
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.errorCount ?? 0, 0, JSON.stringify(body));
    }
    assert.deepEqual(discipline.violations, []);
    await checkLog(tracker);
  });

  it('are caught by it when they do not', async () => {
    const { project } = (await make('/v1/projects', { name: 'Core' })).body;
    const other = (await make('/v1/projects', { name: 'Side' })).body.project;
    const strict: Store = tracker.service(store);
    const event = { entity: 'issue', entityId: 'x', kind: 'DELETED', actor: null, changes: [], after: null } as const;
    const [low, high] = [project.id, other.id].sort();
    await assert.rejects(
      strict.write((tx) => tx.emit(projectScopes, low, event)),
      /is not locked/,
    );
    await assert.rejects(
      strict.write((tx) => tx.table(projectScopes).increment(low, { issue_count: 1 })),
      /is not locked/,
    );
    await assert.rejects(
      strict.write(async (tx) => {
        await tx.table(projectScopes).lock(high, 'update');
        await tx.table(projectScopes).lock(low, 'update');
      }),
      /ascending order/,
    );
    let runs = 0;
    await strict.write(async () => {
      runs += 1;
    });
    assert.equal(runs, 2);
    discipline.violations.splice(0);
  });
});
