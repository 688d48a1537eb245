import { DomainError, invalidField, notFound } from '../../core/contracts/errors.ts';
import { type ProjectScope, type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { readMappings } from '../../core/lib/workflow-values.ts';
import { emitIssue, openness, updateIssue, type Written } from './change.ts';
import { parseIssueId } from './ids.ts';
import { findIssue, lockFound, lockProjectOf } from './lookup.ts';
import { guardRefused, unresolved } from './rules.ts';
import { formerKeysTable, type IssueRow } from './table.ts';
import { type UnderWorkflow, underWorkflow, type WorkflowValues } from './workflow-values.ts';

export interface Move {
  /** The issue's id or key. */
  readonly name: string;
  /** Where to, in lower case. */
  readonly projectId: string;
  /** As requested; see readMappings. */
  readonly mappings: Parameters<typeof readMappings>[0];
  readonly etag: string;
}

/**
 * Moves an issue to another project, with the next number and key there; its former key goes on to name it. Each project
 * gets an event of it, the issue's history one entry.
 */
export async function moveIssue(
  tx: WriteTransaction,
  projects: Projects,
  { name, projectId, mappings, etag }: Move,
  actor: string | null,
): Promise<Written> {
  const missing = () => notFound('issue', name);
  const found = await findIssue(tx, parseIssueId(name));
  if (!found) throw missing();
  for (const id of [...new Set([found.project_id, projectId])].sort())
    if (id === found.project_id) await lockProjectOf(tx, projects, found);
    else await projects.beginChange(tx, id, 'project_id');
  const before = await lockFound(tx, found, 'update', missing);
  checkEtag('issue', name, etag, before);
  if (before.project_id === projectId)
    throw invalidField('project_id', 'must be another project than the issue is in', 'ALREADY_IN_PROJECT');

  const [left, entered] = [await projects.workflow(tx, before.project_id), await projects.workflow(tx, projectId)];
  const values = valuesIn(underWorkflow(before, entered, readMappings(mappings, left, entered)));
  const [source, target] = await count(tx, before, left, projectId, values, entered);
  const number = target.last_number;
  const row = (await updateIssue(tx, before, {
    ...values,
    project_id: projectId,
    number,
    key: `${target.key}-${number}`,
  }))!;
  await tx.table(formerKeysTable).insert({ key: before.key, issue_id: before.id });
  await emitIssue(tx, source, before, row, actor, { history: false });
  await emitIssue(tx, target, before, row, actor);
  const lost = before.resolution !== null && row.resolution === null;
  return { row, adjustments: lost ? [unresolved(before.resolution, row.status)] : [] };
}

/** The scopes of both projects, as they are without and with the issue. */
async function count(
  tx: WriteTransaction,
  before: IssueRow,
  left: Workflow,
  projectId: string,
  { status }: WorkflowValues,
  entered: Workflow,
): Promise<readonly [source: ProjectScope, target: ProjectScope]> {
  const scopes = tx.table(projectScopes);
  return [
    await scopes.increment(before.project_id, {
      issue_count: -1,
      open_issue_count: 0 - openness(left, before.status),
    }),
    await scopes.increment(projectId, { last_number: 1, issue_count: 1, open_issue_count: openness(entered, status) }),
  ];
}

function valuesIn({ values, lacking, guard }: UnderWorkflow): WorkflowValues {
  if (values) return values;
  if (guard) throw guardRefused(guard.status, guard.missing);
  const fields = lacking.map(({ field, value }) => ({
    field: 'mappings',
    description: `must say what becomes of the ${field} ${value}, which the other project's workflow lacks`,
    reason: 'WORKFLOW_VALUE_MISSING',
  }));
  throw new DomainError(
    'FAILED_PRECONDITION',
    'WORKFLOW_VALUE_MISSING',
    `the other project's workflow lacks ${lacking.map(({ field, value }) => `the ${field} ${value}`).join(', ')}: map what becomes of it`,
    { fields, metadata: Object.fromEntries(lacking.map(({ field, value }) => [field, value])) },
  );
}
