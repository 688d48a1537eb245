import assert from 'node:assert/strict';
import { projectScopes } from '../../core/contracts/projects.ts';
import { store } from '../../core/contracts/store.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { issuesTable } from '../../plugins/issue/table.ts';
import { MAX_EXTENT } from '../../plugins/issue/workflow-extent.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

describe('a change of the workflow of a large project', () => {
  let tracker: Tracker;
  let projectId: string;
  let made = 0;
  before(async () => {
    tracker = await startTracker();
    projectId = (await tracker.http('POST', '/v1/projects', { name: 'Core' })).body.project.id;
  });
  after(() => tracker.stop());

  /** Issues as they are in the store, many at a time and without their events. */
  const fill = async (upTo: number) => {
    const created = { created_at: 0, updated_at: 0, due_at: null, assignee_id: null, reporter_id: null };
    const values = { type: 'BUG', priority: 'MAJOR', priority_rank: 1, status: 'NEW', resolution: null };
    while (made < upTo) {
      const end = Math.min(upTo, made + 10_000);
      await tracker.service(store).write(async (tx) => {
        await tx.table(projectScopes).lock(projectId, 'update');
        for (made += 1; made <= end; made += 1)
          await tx.table(issuesTable).insert({
            ...created,
            ...values,
            id: uuidv7(),
            project_id: projectId,
            number: made,
            key: `CORE-${made}`,
            summary: 'x',
            description: '',
          });
        made -= 1;
      });
    }
  };
  const workflow = () => tracker.http('GET', `/v1/projects/${projectId}/workflow`);
  const update = async (body: object) => {
    const before = (await workflow()).body;
    const answer = await tracker.http('PATCH', `/v1/projects/${projectId}/workflow`, body);
    if (answer.status !== 200) assert.deepEqual((await workflow()).body, before);
    const { reason, metadata } = answer.body.error?.details[0] ?? {};
    return { ...answer, reason, metadata };
  };
  const toFeatures = { types: ['FEATURE'], mappings: [{ field: 'type', from: 'BUG', to: 'FEATURE' }] };

  it('is refused, with what to do, when too many issues would get other values', async () => {
    await fill(MAX_EXTENT / 2 + 1);
    const { status, body, reason, metadata } = await update(toFeatures);
    assert.deepEqual([status, body.error.status, reason], [400, 'FAILED_PRECONDITION', 'WORKFLOW_CHANGE_TOO_LARGE']);
    assert.deepEqual(metadata, { count: '100002', limit: '100000' });
    assert.match(
      body.error.message,
      /give 50001 issues other values and .* anew 0; .* at most 100000, .*BatchUpdateIssues/,
    );
    const statuses = (await workflow()).body.workflow.statuses as { name: string; category: string }[];
    const renamed = statuses.map((each) => (each.name === 'NEW' ? { ...each, name: 'OPEN' } : each));
    const transitions = [{ from: 'OPEN', to: statuses.slice(1).map(({ name }) => name) }];
    const mappings = [{ field: 'status', from: 'NEW', to: 'OPEN' }];
    const byStatus = { statuses: renamed, transitions, initialStatus: 'OPEN', unassignedStatus: 'OPEN', mappings };
    assert.deepEqual((await update(byStatus)).metadata, { count: '100002', limit: '100000' });
  });

  it('is judged by the issues that change, not by those that are ranked anew or have other values', async () => {
    const priorities = ['CRITICAL', 'IMPORTANT', 'MAJOR', 'MINOR'];
    const ranked = await update({ priorities });
    assert.deepEqual([ranked.status, ranked.body.changedIssues], [200, 0]);
    assert.equal((await update({ types: ['BUG'] })).status, 200);
    // One less, and what remains to be said is what was not mapped.
    await tracker.service(store).write(async (tx) => {
      await tx.table(projectScopes).lock(projectId, 'update');
      const { rows } = await tx.table(issuesTable).find({ limit: 1 });
      await tx.table(issuesTable).delete(rows[0]!.id);
    });
    const { reason, metadata } = await update({ types: ['FEATURE'] });
    assert.deepEqual([reason, metadata.count], ['WORKFLOW_VALUE_IN_USE', '50000']);
  });

  it('is refused when too many would be ranked anew', async () => {
    await fill(MAX_EXTENT + 2);
    const { reason, metadata, body } = await update({ priorities: ['MAJOR', 'CRITICAL', 'IMPORTANT', 'MINOR'] });
    assert.deepEqual([reason, metadata], ['WORKFLOW_CHANGE_TOO_LARGE', { count: '100001', limit: '100000' }]);
    assert.match(body.error.message, /give 0 issues other values and check or rank anew 100001;/);
  });
});
