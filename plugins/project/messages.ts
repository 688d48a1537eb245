import type { projectScopes, Workflow } from '../../core/contracts/projects.ts';
import type { Row } from '../../core/contracts/tables.ts';
import { etagOf } from '../../core/lib/etags.ts';
import { toTimestamp } from '../../core/lib/time.ts';
import type { Project, ProjectMember, Workflow as WorkflowMessage } from '../../proto/gen/project/v1/project.ts';
import type { MemberRow, ProjectRow } from './tables.ts';

/** A project as projectpb shows it: its own row, and the counts of its scope. */
export interface ProjectView {
  readonly row: ProjectRow;
  readonly scope: Row<typeof projectScopes>;
}

/** A project's workflow; version 0 is the default one, that nobody has changed yet. */
export interface WorkflowView {
  readonly projectId: string;
  readonly workflow: Workflow;
  readonly version: number;
}

export function projectOf({ row, scope }: ProjectView): Project {
  return {
    id: row.id,
    key: row.key,
    name: row.name,
    description: row.description,
    issueCount: scope.issue_count,
    openIssueCount: scope.open_issue_count,
    archived: row.archived,
    revision: BigInt(scope.revision),
    createdAt: toTimestamp(row.created_at),
    updatedAt: toTimestamp(row.updated_at),
    etag: etagOf(row),
  };
}

/** A membership that ended and began again is another one, though its key is the same and its versions are too. */
export function memberEtag(row: MemberRow): string {
  return `${etagOf(row)}-${row.created_at.toString(36)}`;
}

export function memberOf(row: MemberRow): ProjectMember {
  return {
    projectId: row.project_id,
    userId: row.user_id,
    role: row.role,
    createdAt: toTimestamp(row.created_at),
    updatedAt: toTimestamp(row.updated_at),
    etag: memberEtag(row),
  };
}

export function workflowOf({ projectId, workflow, version }: WorkflowView): WorkflowMessage {
  return {
    projectId,
    types: [...workflow.types],
    priorities: [...workflow.priorities],
    defaultPriority: workflow.defaultPriority,
    statuses: workflow.statuses.map(({ name, category, guards }) => ({ name, category, guards: [...guards] })),
    initialStatus: workflow.initialStatus,
    resolutions: [...workflow.resolutions],
    transitions: workflow.transitions.map(({ from, to }) => ({ from, to: [...to] })),
    assignedStatus: workflow.assignedStatus,
    unassignedStatus: workflow.unassignedStatus,
    etag: etagOf({ version }),
  };
}
