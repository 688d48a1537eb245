import assert from 'node:assert/strict';
import { healthChecks } from '../../core/contracts/health.ts';
import { httpRoutes } from '../../core/contracts/http.ts';
import { issueContents, issues } from '../../core/contracts/issues.ts';
import { projectContents, projectScopes } from '../../core/contracts/projects.ts';
import { type Store, store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { storeOfTests } from '../support/stores.ts';
import { startTracker } from '../support/tracker.ts';

/** A stranger's plugin that keeps something on issues, reduced to what the services promise it. */
function keeper(deleted: string[]) {
  return definePlugin({
    name: 'keeper',
    kernel: '^1.0.0',
    requires: { issues, store },
    contributes: { issueContents, projectContents },
    setup({ contribute }) {
      contribute.issueContents({
        name: 'things',
        async deleteAll(tx, issueId, scope) {
          const locked = await tx.table(projectScopes).get(scope.id);
          deleted.push(`${locked?.key} ${issueId}`);
        },
      });
      contribute.projectContents({ name: 'things', count: async () => 2, deleteAll: async () => {} });
      return {};
    },
  });
}

describe('what belongs to issues and projects', () => {
  it('is deleted with an issue, and with the issues of a project', async () => {
    const deleted: string[] = [];
    const tracker = await startTracker({}, { plugins: [keeper(deleted)] });
    try {
      const { project } = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body;
      const ids: string[] = [];
      for (const summary of ['one', 'two', 'three'])
        ids.push((await tracker.http('POST', '/v1/issues', { projectId: project.id, summary })).body.issue.id);
      await tracker.http('DELETE', '/v1/issues/CORE-2');
      assert.deepEqual(deleted, [`CORE ${ids[1]}`]);
      const refused = await tracker.http('DELETE', `/v1/projects/${project.id}`);
      assert.deepEqual(refused.body.error.details[0].metadata, { issues: '2', things: '2' });
      assert.equal((await tracker.http('DELETE', `/v1/projects/${project.id}?force=true`)).status, 200);
      assert.deepEqual(deleted, [`CORE ${ids[1]}`, `CORE ${ids[0]}`, `CORE ${ids[2]}`]);
    } finally {
      await tracker.stop();
    }
  });

  it('stays with an issue that is moved to another project', async () => {
    const deleted: string[] = [];
    const tracker = await startTracker({}, { plugins: [keeper(deleted)] });
    try {
      const project = async (key: string) =>
        (await tracker.http('POST', '/v1/projects', { name: key, key })).body.project.id as string;
      const [core, web] = [await project('CORE'), await project('WEB')];
      const { issue } = (await tracker.http('POST', '/v1/issues', { projectId: core, summary: 'one' })).body;
      assert.equal((await tracker.http('POST', '/v1/issues/CORE-1:move', { projectId: web })).status, 200);
      assert.deepEqual(deleted, []);
      const begun = (tracker.service(store) as Store).write((tx) =>
        tracker.service(issues).beginChange(tx, 'core-1', 'issue_id'),
      );
      assert.deepEqual([(await begun).issueId, (await begun).scope.key], [issue.id, 'WEB']);
      assert.equal((await tracker.http('DELETE', '/v1/issues/CORE-1')).status, 200);
      assert.deepEqual(deleted, [`WEB ${issue.id}`]);
    } finally {
      await tracker.stop();
    }
  });

  it('begins its changes by the issue, and is told the field of one that is not there', async () => {
    const tracker = await startTracker();
    try {
      const { project } = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body;
      const { issue } = (await tracker.http('POST', '/v1/issues', { projectId: project.id, summary: 'one' })).body;
      const begin = (id: string) =>
        (tracker.service(store) as Store).write((tx) => tracker.service(issues).beginChange(tx, id, 'issue_id'));
      assert.equal((await begin(issue.id.toUpperCase())).scope.key, 'CORE');
      assert.equal((await begin('core-1')).issueId, issue.id);
      await assert.rejects(begin('CORE-2'), { reason: 'ISSUE_NOT_FOUND' });
      await assert.rejects(begin('no name'), { code: 'INVALID_ARGUMENT', message: /^issue_id: must be the id of an/ });
      await assert.rejects(begin('01900000-0000-7000-8000-000000000000'), { reason: 'ISSUE_NOT_FOUND' });
      await tracker.http('POST', `/v1/projects/${project.id}:archive`, {});
      await assert.rejects(begin(issue.id), { reason: 'PROJECT_ARCHIVED' });
      assert.equal((await tracker.service(issues).find('core-1'))?.id, issue.id);
      assert.equal(await tracker.service(issues).find('no name'), undefined);
    } finally {
      await tracker.stop();
    }
  });
});

describe('a health check', () => {
  it('cannot stand in for another plugin’s', async () => {
    const impostor = definePlugin({
      name: 'impostor',
      kernel: '^1.0.0',
      contributes: { healthChecks },
      setup({ contribute }) {
        contribute.healthChecks({
          component: 'db',
          type: 'fake',
          required: false,
          check: async () => ({ status: 'up' }),
        });
        return {};
      },
    });
    await assert.rejects(
      startTracker({}, { plugins: [impostor] }),
      new RegExp(`'db' is checked by 'impostor' and by 'storage-${storeOfTests}'`),
    );
  });
});

describe('a page', () => {
  it('in the place of a method stops the start, and the message says whose and where', async () => {
    const squatter = definePlugin({
      name: 'squatter',
      kernel: '^1.0.0',
      contributes: { httpRoutes },
      setup({ contribute }) {
        const handle = async () => ({ status: 200, contentType: 'text/plain', body: 'mine' });
        contribute.httpRoutes({ method: 'GET', path: '/v1/users', handle });
        return {};
      },
    });
    await assert.rejects(
      startTracker({}, { plugins: [squatter] }),
      /\[START_FAILED\] plugin 'rest'.*GET \/v1\/users.*plugin 'squatter'/,
    );
  });
});
