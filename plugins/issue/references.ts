import type { IssueContents } from '../../core/contracts/issues.ts';
import { type ProjectContents, type Projects, projectScopes } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import type { UserReferences } from '../../core/contracts/users.ts';
import { changeIssue, deleteIssue } from './change.ts';
import { issuesTable } from './table.ts';
import { changeIssues } from './workflow-change.ts';

const BATCH = 1000;

/** Issues lose their assignee when the user is deleted, and with that perhaps their status; in archived projects too. */
export function assignedIssues(projects: Projects): UserReferences {
  return {
    name: 'assigned issues',
    async find(tx, userId, limit) {
      const where = eq('assignee_id', userId);
      const { rows } = await tx.table(issuesTable).find({ where, orderBy: { columns: ['created_at'] }, limit });
      return {
        count: await tx.table(issuesTable).count({ where }),
        projectIds: [...new Set(rows.map((row) => row.project_id))],
        async release(actor) {
          for (const row of rows) {
            const scope = await tx.table(projectScopes).get(row.project_id);
            const workflow = await projects.workflow(tx, row.project_id);
            await changeIssue(tx, scope!, row, { assignee: null }, workflow, actor);
          }
        },
      };
    },
  };
}

/** Issues come under their project's workflow; they are deleted with it, and what belongs to them with them. */
export function issuesOfProject(contents: () => readonly IssueContents[]): ProjectContents {
  return {
    name: 'issues',
    count: (tx, projectId) => tx.table(issuesTable).count({ where: eq('project_id', projectId) }),
    async deleteAll(tx, projectId, actor) {
      const full = (await tx.table(projectScopes).get(projectId))!;
      // All events of the transaction are one revision, after which the project is empty.
      const empty = await tx
        .table(projectScopes)
        .increment(projectId, { issue_count: -full.issue_count, open_issue_count: -full.open_issue_count });
      for (;;) {
        const { rows } = await tx
          .table(issuesTable)
          .find({ where: eq('project_id', projectId), orderBy: { columns: ['number'] }, limit: BATCH });
        for (const row of rows) await deleteIssue(tx, empty, row, contents(), actor);
        if (rows.length < BATCH) return;
      }
    },
    changeWorkflow: changeIssues,
  };
}
