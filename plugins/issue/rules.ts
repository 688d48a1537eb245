import { failedPrecondition, invalidField } from '../../core/contracts/errors.ts';
import type { StatusCategory, Workflow, WorkflowField } from '../../core/contracts/projects.ts';
import { valuesOf } from '../../core/lib/workflow-values.ts';

/**
 * What the workflow says about one change of an issue. Pure: the same answer for the same workflow, state and wish.
 */

export interface State {
  readonly status: string;
  readonly resolution: string | null;
  readonly assignee: string | null;
}

/** Absent = as it is; null = none. */
export interface Wish {
  readonly status?: string;
  readonly resolution?: string | null;
  readonly assignee?: string | null;
}

export interface Adjustment {
  readonly field: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface Outcome extends State {
  readonly adjustments: readonly Adjustment[];
}

/** Throws INVALID_ARGUMENT that names the field and lists the values, unless the workflow has this one. */
export function checkValue(field: WorkflowField, value: string, workflow: Workflow): void {
  const values = valuesOf(workflow, field);
  if (!values.includes(value)) throw invalidField(field, `must be one of ${values.join(', ')}`, 'NOT_IN_WORKFLOW');
}

export function categoryOf(workflow: Workflow, status: string): StatusCategory {
  return statusOf(workflow, status).category;
}

function statusOf(workflow: Workflow, name: string) {
  const status = workflow.statuses.find((each) => each.name === name);
  if (!status) throw failedPrecondition('STATUS_NOT_IN_WORKFLOW', `the workflow has no status ${name}`);
  return status;
}

export function allowedFrom(workflow: Workflow, status: string): readonly string[] {
  return workflow.transitions.find((transition) => transition.from === status)?.to ?? [];
}

/** What an issue lacks to be in a status, as the fields to send along. */
export function missingFor(workflow: Workflow, status: string, state: State): readonly string[] {
  const lacks = { ASSIGNEE: state.assignee === null, RESOLUTION: state.resolution === null };
  const fields = { ASSIGNEE: 'assignee_id', RESOLUTION: 'resolution' };
  return statusOf(workflow, status)
    .guards.filter((guard) => lacks[guard])
    .map((guard) => fields[guard]);
}

export function transitionRefused(workflow: Workflow, from: string, to: string) {
  const allowed = allowedFrom(workflow, from);
  return failedPrecondition(
    'TRANSITION_NOT_ALLOWED',
    `the workflow has no transition from ${from} to ${to}; allowed from ${from}: ${allowed.join(', ') || 'none'}`,
    { from, to, allowed: allowed.join(',') },
  );
}

export function guardRefused(status: string, missing: readonly string[]) {
  return failedPrecondition('TRANSITION_GUARD', `an issue that is ${status} needs ${missing.join(' and ')}`, {
    status,
    missing: missing.join(','),
  });
}

/** That an issue lost its resolution in a status that is not done. */
export function unresolved(resolution: string, status: string): Adjustment {
  return { field: 'resolution', from: resolution, to: '', reason: `an issue that is ${status} has no resolution` };
}

/**
 * The state after a wish. A status that is asked for, and is not the one there is, must be reachable by one transition.
 * An issue that is open then and gets an assignee goes on to where assigned issues are; one that loses the assignee its
 * status needs, and is not sent elsewhere, goes back; one that leaves the done statuses loses its resolution. All three
 * are told as adjustments. Guards are evaluated on the result.
 */
export function applyRules(workflow: Workflow, before: State, wish: Wish): Outcome {
  const adjustments: Adjustment[] = [];
  const assignee = wish.assignee === undefined ? before.assignee : wish.assignee;
  const asked = wish.status ?? before.status;
  if (asked !== before.status && !allowedFrom(workflow, before.status).includes(asked))
    throw transitionRefused(workflow, before.status, asked);
  const follows = statusAfterAssigning(workflow, before, asked, assignee);
  if (follows) adjustments.push({ field: 'status', from: asked, ...follows });
  const status = follows?.to ?? asked;

  let resolution = wish.resolution === undefined ? before.resolution : wish.resolution;
  if (categoryOf(workflow, status) !== 'DONE') {
    if (wish.resolution)
      throw invalidField('resolution', `must be empty while the status is ${status}`, 'NOT_RESOLVED');
    if (before.resolution !== null) adjustments.push(unresolved(before.resolution, status));
    resolution = null;
  }

  const missing = missingFor(workflow, status, { status, resolution, assignee });
  if (missing.length > 0) throw guardRefused(status, missing);
  return { status, resolution, assignee, adjustments };
}

/** Where the change of the assignee takes an issue that would be in the status asked for; undefined where it stays. */
function statusAfterAssigning(workflow: Workflow, before: State, asked: string, assignee: string | null) {
  if (assignee === before.assignee) return undefined;
  const { category, guards } = statusOf(workflow, asked);
  const { assignedStatus, unassignedStatus } = workflow;
  if (assignee !== null)
    return category === 'OPEN' && allowedFrom(workflow, asked).includes(assignedStatus)
      ? { to: assignedStatus, reason: 'somebody was assigned' }
      : undefined;
  return asked === before.status && guards.includes('ASSIGNEE')
    ? { to: unassignedStatus, reason: 'nobody is assigned any more' }
    : undefined;
}
