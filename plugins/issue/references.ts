import { type ProjectContents, type Projects, projectScopes } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { UserReferences } from '../../core/contracts/users.ts';
import { emitIssue } from './events.ts';
import { applyRules } from './rules.ts';
import { issuesTable } from './table.ts';

const BATCH = 1000;

/** Issues lose their assignee when the user is deleted, and with that perhaps their status. */
export function assignedIssues(projects: Projects): UserReferences {
  const page = (tx: WriteTransaction, userId: string, limit: number) =>
    tx.table(issuesTable).find({ where: eq('assignee_id', userId), orderBy: { columns: ['created_at'] }, limit });
  return {
    name: 'assigned issues',
    async find(tx, userId, limit) {
      const { rows } = await page(tx, userId, limit);
      const count = await tx.table(issuesTable).count({ where: eq('assignee_id', userId) });
      return { count, projectIds: [...new Set(rows.map((row) => row.project_id))] };
    },
    async release(tx, userId, limit, actor) {
      const { rows } = await page(tx, userId, limit);
      for (const row of rows) {
        const workflow = await projects.workflow(tx, row.project_id);
        const { status, resolution } = applyRules(
          workflow,
          { status: row.status, resolution: row.resolution, assignee: row.assignee_id },
          { assignee: null },
        );
        const after = await tx
          .table(issuesTable)
          .update(row.id, { assignee_id: null, status, resolution, updated_at: tx.now });
        await emitIssue(tx, row, after, actor);
      }
      return rows.length;
    },
  };
}

/** Issues are deleted with their project. */
export const issuesOfProject: ProjectContents = {
  name: 'issues',
  count: (tx, projectId) => tx.table(issuesTable).count({ where: eq('project_id', projectId) }),
  async deleteAll(tx, projectId, actor) {
    let deleted = 0;
    for (;;) {
      const { rows } = await tx
        .table(issuesTable)
        .find({ where: eq('project_id', projectId), orderBy: { columns: ['number'] }, limit: BATCH });
      for (const row of rows) {
        await tx.table(issuesTable).delete(row.id);
        await emitIssue(tx, row, undefined, actor);
      }
      deleted += rows.length;
      if (rows.length < BATCH) break;
    }
    const scope = await tx.table(projectScopes).get(projectId);
    if (scope && deleted > 0)
      await tx
        .table(projectScopes)
        .increment(projectId, { issue_count: -scope.issue_count, open_issue_count: -scope.open_issue_count });
  },
};
