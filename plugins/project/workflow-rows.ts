import type { ProjectScope, Workflow } from '../../core/contracts/projects.ts';
import type { ReadTransaction, WriteTransaction } from '../../core/contracts/store.ts';
import type { Json } from '../../core/contracts/tables.ts';
import { emitInProject } from '../../core/lib/changes.ts';
import type { WorkflowView } from './messages.ts';
import { type WorkflowRow, workflowsTable } from './tables.ts';
import { defaultWorkflow } from './workflow.ts';

/** The workflow of a project that exists: its own, or the default one. */
export async function readWorkflow(tx: ReadTransaction, projectId: string): Promise<Workflow> {
  const row = await tx.table(workflowsTable).get(projectId);
  return row ? workflowIn(row) : defaultWorkflow;
}

export async function readWorkflowView(tx: ReadTransaction, projectId: string): Promise<WorkflowView> {
  const row = await tx.table(workflowsTable).get(projectId);
  return row ? viewOf(row) : { projectId, workflow: defaultWorkflow, version: 0 };
}

/** Puts a workflow in the place of the project's, with its event. The scope is locked, and has the counts after it. */
export async function storeWorkflow(
  tx: WriteTransaction,
  scope: ProjectScope,
  workflow: Workflow,
  actor: string | null,
): Promise<WorkflowView> {
  const table = tx.table(workflowsTable);
  const definition = workflow as unknown as NonNullable<Json>;
  const before = await table.get(scope.id);
  const after = before
    ? await table.update(scope.id, { definition, updated_at: tx.now })
    : await table.insert({ project_id: scope.id, definition, created_at: tx.now, updated_at: tx.now });
  // A project always has a workflow, so its first own one is a change of the default.
  await emit(tx, scope, before ? shown(before) : partsOf(defaultWorkflow), shown(after), actor);
  return viewOf(after);
}

/** With its event, where there is one; the default one is not stored. */
export async function deleteWorkflow(tx: WriteTransaction, scope: ProjectScope, actor: string | null): Promise<void> {
  const row = await tx.table(workflowsTable).get(scope.id);
  if (!row) return;
  await tx.table(workflowsTable).delete(scope.id);
  await emit(tx, scope, shown(row), undefined, actor);
}

function workflowIn(row: WorkflowRow): Workflow {
  return row.definition as unknown as Workflow;
}

function viewOf(row: WorkflowRow): WorkflowView {
  return { projectId: row.project_id, workflow: workflowIn(row), version: row.version };
}

type Parts = Readonly<Record<string, Json>>;

/** By proto names: what events and history show. */
function partsOf(workflow: Workflow): Parts {
  const { types, priorities, resolutions } = workflow;
  return {
    types,
    priorities,
    default_priority: workflow.defaultPriority,
    statuses: workflow.statuses.map(({ name, category, guards }) => ({ name, category, guards })),
    initial_status: workflow.initialStatus,
    resolutions,
    transitions: workflow.transitions.map(({ from, to }) => ({ from, to })),
    assigned_status: workflow.assignedStatus,
    unassigned_status: workflow.unassignedStatus,
  };
}

/** A row as its event shows it. */
function shown(row: WorkflowRow): Parts {
  const { definition: _, ...others } = row;
  return { ...others, ...partsOf(workflowIn(row)) };
}

async function emit(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: Parts,
  after: Parts | undefined,
  actor: string | null,
): Promise<void> {
  const fields = Object.keys(partsOf(defaultWorkflow));
  await emitInProject(tx, scope, { entity: 'workflow', entityId: scope.id, fields, before, after }, actor);
}
