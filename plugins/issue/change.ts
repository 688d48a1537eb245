import type { IssueContents } from '../../core/contracts/issues.ts';
import { type ProjectScope, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Json } from '../../core/contracts/tables.ts';
import { emitInProject, type RowChange } from '../../core/lib/changes.ts';
import { formatRfc3339 } from '../../core/lib/time.ts';
import { type Adjustment, applyRules, categoryOf, checkValue, type Wish } from './rules.ts';
import { formerKeysTable, historyFields, type IssueRow, issuesTable } from './table.ts';

/** Only what is to change; null and '' clear. */
export interface IssuePatch extends Wish {
  readonly summary?: string;
  readonly description?: string;
  readonly type?: string;
  readonly priority?: string;
  /** Microseconds. */
  readonly dueAt?: number | null;
}

export interface Written {
  readonly row: IssueRow;
  readonly adjustments: readonly Adjustment[];
}

/** 1 for an issue that counts as open, else 0. */
export function openness(workflow: Workflow, status: string): 0 | 1 {
  return categoryOf(workflow, status) === 'DONE' ? 0 : 1;
}

/**
 * Changes an issue by the rules of its workflow, with the project's counts and its event. The scope and the issue are
 * locked, and a new assignee was required. A patch that changes nothing writes nothing.
 */
export async function changeIssue(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: IssueRow,
  patch: IssuePatch,
  workflow: Workflow,
  actor: string | null,
): Promise<Written> {
  if (patch.type !== undefined) checkValue('type', patch.type, workflow);
  if (patch.priority !== undefined) checkValue('priority', patch.priority, workflow);
  if (patch.status !== undefined) checkValue('status', patch.status, workflow);
  if (patch.resolution) checkValue('resolution', patch.resolution, workflow);
  const state = { status: before.status, resolution: before.resolution, assignee: before.assignee_id };
  const { status, resolution, assignee, adjustments } = applyRules(workflow, state, patch);
  const priority = patch.priority ?? before.priority;
  const wanted = {
    summary: patch.summary ?? before.summary,
    description: patch.description ?? before.description,
    type: patch.type ?? before.type,
    priority,
    priority_rank: patch.priority === undefined ? before.priority_rank : workflow.priorities.indexOf(priority),
    status,
    resolution,
    assignee_id: assignee,
    due_at: patch.dueAt === undefined ? before.due_at : patch.dueAt,
  };
  const row = await updateIssue(tx, before, wanted);
  if (!row) return { row: before, adjustments };
  const opened = openness(workflow, status) - openness(workflow, before.status);
  const counted =
    opened === 0 ? scope : await tx.table(projectScopes).increment(scope.id, { open_issue_count: opened });
  await emitIssue(tx, counted, before, row, actor);
  return { row, adjustments };
}

/** Writes what differs, and returns the row; undefined when nothing does. */
export async function updateIssue(
  tx: WriteTransaction,
  before: IssueRow,
  wanted: Partial<IssueRow>,
): Promise<IssueRow | undefined> {
  const changed = Object.entries(wanted).filter(([field, value]) => before[field as keyof IssueRow] !== value);
  if (changed.length === 0) return undefined;
  return tx
    .table(issuesTable)
    .update(before.id, { ...Object.fromEntries(changed), updated_at: tx.now }, { ifVersion: before.version });
}

/** Deletes an issue with what belongs to it. The project's scope has the counts as they are without it. */
export async function deleteIssue(
  tx: WriteTransaction,
  scope: ProjectScope,
  row: IssueRow,
  contents: readonly IssueContents[],
  actor: string | null,
): Promise<void> {
  for (const each of contents) await each.deleteAll(tx, row.id, scope, actor);
  await tx.table(issuesTable).delete(row.id);
  await tx.table(formerKeysTable).insert({ key: row.key, issue_id: row.id });
  await emitIssue(tx, scope, row, undefined, actor);
}

/**
 * Records a change of an issue in its project, whose scope has the counts as they are after it. `history` false: the
 * issue's history has it from another event.
 */
export async function emitIssue(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: IssueRow | undefined,
  after: IssueRow | undefined,
  actor: string | null,
  { history }: Pick<RowChange, 'history'> = {},
): Promise<void> {
  const quiet = history === false && { history };
  await emitInProject(tx, scope, { entity: 'issue', fields: historyFields, before, after, ...quiet, show }, actor);
}

function show(field: string, value: Json): Json {
  return field === 'due_at' && typeof value === 'number' ? formatRfc3339(value) : value;
}
