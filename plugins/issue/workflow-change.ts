import { DomainError, type FieldViolation } from '../../core/contracts/errors.ts';
import {
  type ProjectScope,
  projectScopes,
  type WorkflowChange,
  type WorkflowField,
} from '../../core/contracts/projects.ts';
import { and, eq, type Find } from '../../core/contracts/query.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import { valueAfter } from '../../core/lib/workflow-values.ts';
import { emitIssue, openness, updateIssue } from './change.ts';
import { type IssueRow, issuesTable } from './table.ts';
import { differenceOf, refuseTooLarge, stretches } from './workflow-extent.ts';
import { underWorkflow, type WorkflowValues } from './workflow-values.ts';

const BATCH = 1000;

/**
 * Brings the issues of a project under another workflow: values that go become what the mappings say, an issue that is no
 * longer done loses its resolution, and all sort by the new ranks. See ProjectContents for what is refused.
 */
export async function changeIssues(
  tx: WriteTransaction,
  change: WorkflowChange,
  actor: string | null,
): Promise<number> {
  const difference = differenceOf(change.before, change.after);
  const concerned = stretches(change.projectId, difference);
  await refuseTooLarge(tx, change.projectId, difference, concerned);
  const scope = await recount(tx, change);
  const refusals = new Refusals();
  let changed = 0;
  for (const stretch of concerned)
    for await (const row of rowsOf(tx, stretch)) {
      const wanted = wantedOf(row, change, refusals);
      // Once something is refused nothing is stored, and the rest is only counted.
      if (!wanted || refusals.any) continue;
      if (await changeRow(tx, scope, row, wanted, actor)) changed += 1;
    }
  refusals.throwIfAny();
  return changed;
}

/** True unless only its rank changed: that is no part of what is shown, and has no event and no new etag. */
async function changeRow(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: IssueRow,
  wanted: WorkflowValues,
  actor: string | null,
): Promise<boolean> {
  const { priority_rank: rank, ...values } = wanted;
  const shown = Object.entries(values).some(([field, value]) => before[field as keyof IssueRow] !== value);
  const row = shown ? await updateIssue(tx, before, wanted) : undefined;
  if (row) await emitIssue(tx, scope, before, row, actor);
  else if (rank !== before.priority_rank)
    await tx.table(issuesTable).increment(before.id, { priority_rank: rank - before.priority_rank });
  return row !== undefined;
}

/** Counts the project's open issues as they will be. All events of the transaction are one revision, and show that. */
async function recount(tx: WriteTransaction, { projectId, before, after, mappings }: WorkflowChange) {
  let opened = 0;
  for (const { name } of before.statuses) {
    const becomes = valueAfter(after, mappings, 'status', name);
    const difference = becomes === undefined ? 0 : openness(after, becomes) - openness(before, name);
    if (difference !== 0)
      opened +=
        difference *
        (await tx.table(issuesTable).count({ where: and(eq('project_id', projectId), eq('status', name)) }));
  }
  return tx.table(projectScopes).increment(projectId, { open_issue_count: opened });
}

/** In pages. Neither order changes with what is written on the way. */
async function* rowsOf(tx: WriteTransaction, query: Find): AsyncGenerator<IssueRow> {
  let after: string | undefined;
  do {
    const page = await tx.table(issuesTable).find({ ...query, limit: BATCH, ...(after !== undefined && { after }) });
    yield* page.rows;
    after = page.next;
  } while (after !== undefined);
}

/** What becomes of an issue; undefined, and counted among the refusals, when it cannot come along. */
function wantedOf(row: IssueRow, { after, mappings }: WorkflowChange, refusals: Refusals): WorkflowValues | undefined {
  const { values, lacking, guard } = underWorkflow(row, after, mappings);
  for (const { field, value } of lacking) refusals.inUse(field, value);
  if (guard) refusals.guarded(guard.status, guard.missing);
  return values;
}

interface Refusal {
  readonly reason: 'WORKFLOW_VALUE_IN_USE' | 'WORKFLOW_GUARD';
  readonly metadata: Readonly<Record<string, string>>;
  readonly violation: (issues: string) => FieldViolation;
  count: number;
}

/** Why a change is refused, and for how many issues. */
class Refusals {
  readonly #all = new Map<string, Refusal>();

  get any(): boolean {
    return this.#all.size > 0;
  }

  inUse(field: WorkflowField, value: string): void {
    this.#count(`${field} ${value}`, {
      reason: 'WORKFLOW_VALUE_IN_USE',
      metadata: { field, value },
      violation: (issues) => ({
        field: 'mappings',
        description: `must say what becomes of the ${field} ${value} of ${issues}`,
      }),
    });
  }

  guarded(status: string, missing: readonly string[]): void {
    this.#count(`guard ${status} ${missing.join()}`, {
      reason: 'WORKFLOW_GUARD',
      metadata: { status, missing: missing.join(',') },
      violation: (issues) => ({
        field: 'statuses',
        description: `an issue that is ${status} needs ${missing.join(' and ')}, which is missing in ${issues}`,
      }),
    });
  }

  /** The error names the first one, those about values before those about guards, and lists all. */
  throwIfAny(): void {
    const all = [...this.#all.values()].sort((a, b) => (a.reason < b.reason ? 1 : a.reason > b.reason ? -1 : 0));
    const [first] = all;
    if (!first) return;
    const fields = all.map(({ violation, reason, count }) => ({
      ...violation(count === 1 ? '1 issue' : `${count} issues`),
      reason,
    }));
    throw new DomainError(
      'FAILED_PRECONDITION',
      first.reason,
      fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
      { fields, metadata: { ...first.metadata, count: String(first.count) } },
    );
  }

  #count(key: string, refusal: Omit<Refusal, 'count'>): void {
    const known = this.#all.get(key);
    if (known) known.count += 1;
    else this.#all.set(key, { ...refusal, count: 1 });
  }
}
