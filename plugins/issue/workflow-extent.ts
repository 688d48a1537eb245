import { failedPrecondition } from '../../core/contracts/errors.ts';
import type { Workflow, WorkflowField } from '../../core/contracts/projects.ts';
import { and, eq, type Find, isIn, isNull, not, or } from '../../core/contracts/query.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import { valuesOf } from '../../core/lib/workflow-values.ts';
import { issuesTable } from './table.ts';

/**
 * How many issues one change may concern; one that gets another value takes twice the time of one that is ranked anew,
 * and counts twice. All other writers wait for it: on memdb 2 s, or 5 s in a store of many hundred thousand issues.
 */
export const MAX_EXTENT = 100_000;

/** What a workflow's change has to do with its issues, by their values. */
export interface Difference {
  /** The values that go. */
  readonly gone: Readonly<Record<WorkflowField, readonly string[]>>;
  /** The priorities that go or get another rank. */
  readonly reranked: readonly string[];
  /** The statuses that stay and are no longer done: what was resolved no longer is. */
  readonly undone: readonly string[];
  /** The statuses that stay and may ask more than before. */
  readonly stricter: readonly string[];
}

export function differenceOf(before: Workflow, after: Workflow): Difference {
  const going = (field: WorkflowField) => {
    const kept = new Set(valuesOf(after, field));
    return valuesOf(before, field).filter((value) => !kept.has(value));
  };
  const undone: string[] = [];
  const stricter: string[] = [];
  for (const { name, category, guards } of before.statuses) {
    const now = after.statuses.find((status) => status.name === name);
    const reopens = now !== undefined && category === 'DONE' && now.category !== 'DONE';
    if (reopens) undone.push(name);
    if (reopens || now?.guards.some((guard) => !guards.includes(guard))) stricter.push(name);
  }
  return {
    gone: {
      type: going('type'),
      priority: going('priority'),
      status: going('status'),
      resolution: going('resolution'),
    },
    reranked: before.priorities.filter((priority, rank) => after.priorities[rank] !== priority),
    undone,
    stricter,
  };
}

/** The queries that find every issue that may change or be refused, each once. */
export function stretches(projectId: string, { gone, reranked, stricter }: Difference): readonly Find[] {
  // Those that are moved on come last, so that no issue is met again where it went.
  const statuses = [...stricter, ...gone.status];
  const inProject = eq('project_id', projectId);
  if (gone.type.length + gone.resolution.length + reranked.length > 0) {
    const concerned = or(
      isIn('type', gone.type),
      isIn('resolution', gone.resolution),
      isIn('priority', reranked),
      isIn('status', statuses),
    );
    return [{ where: and(inProject, concerned), orderBy: { columns: ['number'] } }];
  }
  return statuses.map((status) => ({
    where: and(inProject, eq('status', status)),
    orderBy: { columns: ['created_at'] },
  }));
}

/** FAILED_PRECONDITION, before anything is written, when the change would keep all other writers waiting for long. */
export async function refuseTooLarge(
  tx: WriteTransaction,
  projectId: string,
  { gone, undone }: Difference,
  queries: readonly Find[],
): Promise<void> {
  const issues = tx.table(issuesTable);
  let concerned = 0;
  for (const { where } of queries) concerned += await issues.count({ ...(where && { where }) });
  if (concerned * 2 <= MAX_EXTENT) return;
  const lost = (Object.keys(gone) as WorkflowField[]).map((field) => isIn(field, gone[field]));
  const reopened = and(isIn('status', undone), not(isNull('resolution')));
  const changed = await issues.count({ where: and(eq('project_id', projectId), or(...lost, reopened)) });
  const extent = concerned + changed;
  if (extent > MAX_EXTENT)
    throw failedPrecondition(
      'WORKFLOW_CHANGE_TOO_LARGE',
      `the change would give ${changed} issues other values and check or rank anew ${concerned - changed}; one call ` +
        `takes at most ${MAX_EXTENT}, of which those with other values count twice: change fewer values at a time, or ` +
        'give issues other values first (BatchUpdateIssues takes 1000), then repeat it',
      { count: String(extent), limit: String(MAX_EXTENT) },
    );
}
