import type { ValueMapping, Workflow, WorkflowField } from '../../core/contracts/projects.ts';
import { valueAfter } from '../../core/lib/workflow-values.ts';
import { categoryOf, missingFor } from './rules.ts';
import type { IssueRow } from './table.ts';

/** What a workflow decides about an issue. */
export type WorkflowValues = Pick<IssueRow, 'type' | 'priority' | 'priority_rank' | 'status' | 'resolution'>;

/** The values of an issue under another workflow, or what keeps it from coming under it. */
export interface UnderWorkflow {
  /** Absent when one of the other two says why. */
  readonly values?: WorkflowValues;
  /** The values that the workflow lacks and that no mapping names. */
  readonly lacking: readonly { readonly field: WorkflowField; readonly value: string }[];
  /** The status that the issue would have, and what it lacks for it, as fields. */
  readonly guard?: { readonly status: string; readonly missing: readonly string[] };
}

/** Pure. The issue comes to its status without a transition; one that is not done then has no resolution. */
export function underWorkflow(row: IssueRow, after: Workflow, mappings: readonly ValueMapping[]): UnderWorkflow {
  const lacking: { readonly field: WorkflowField; readonly value: string }[] = [];
  const become = (field: WorkflowField, value: string) => {
    const becomes = valueAfter(after, mappings, field, value);
    if (becomes === undefined) lacking.push({ field, value });
    return becomes;
  };
  const type = become('type', row.type);
  const priority = become('priority', row.priority);
  const status = become('status', row.status);
  const resolved = row.resolution !== null && (status === undefined || categoryOf(after, status) === 'DONE');
  const resolution = resolved ? become('resolution', row.resolution) : null;
  if (type === undefined || priority === undefined || status === undefined || resolution === undefined)
    return { lacking };
  const missing = missingFor(after, status, { status, resolution, assignee: row.assignee_id });
  if (missing.length > 0) return { lacking, guard: { status, missing } };
  return { lacking, values: { type, priority, priority_rank: after.priorities.indexOf(priority), status, resolution } };
}
