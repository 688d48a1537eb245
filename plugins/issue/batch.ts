import type { DomainError } from '../../core/contracts/errors.ts';
import { type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import { BatchSize, isRefusal, ofItem } from '../../core/lib/batches.ts';
import { inBounds } from '../../core/lib/rpc-status.ts';
import type { Written } from './change.ts';
import type { FoundWrite, IssueWrite } from './writes.ts';

/** What became of one item of a batch. `refused`: a serialized google.rpc.Status. */
export type Outcome = Written | { readonly refused: Uint8Array };

/** A value, or why there is none. */
type Maybe<T> = { readonly value: T } | { readonly refusal: DomainError };

/**
 * Writes one after the other, in one transaction; returns what became of each, in their order. `atomic`: the first that
 * is refused fails all, by its place. Otherwise it is left out: it is refused before it has written anything. An error
 * of the store, or an unforeseen one, fails all in any case.
 */
export async function writeAll(
  tx: WriteTransaction,
  projects: Projects,
  writes: readonly IssueWrite[],
  atomic: boolean,
): Promise<readonly Outcome[]> {
  const found: Maybe<FoundWrite>[] = [];
  for (const { find } of writes) found.push(await attempt(() => find(tx)));
  const ids = new Set(found.flatMap((each) => ('value' in each ? [each.value.projectId] : [])));
  const workflows = new Map<string, Maybe<Workflow>>();
  // In this order, like every transaction that locks several.
  for (const id of [...ids].sort()) workflows.set(id, await attempt(() => begin(tx, projects, id)));

  const size = new BatchSize();
  const outcomes: Outcome[] = [];
  for (const [index, each] of found.entries()) {
    const outcome = await attempt(async () => write(tx, given(each), workflows));
    if ('value' in outcome) {
      size.add({ ...outcome.value.row, adjustments: outcome.value.adjustments });
      outcomes.push(outcome.value);
    } else {
      if (atomic) throw ofItem(index, outcome.refusal);
      const refused = inBounds(outcome.refusal).status;
      size.addBytes(refused.length);
      outcomes.push({ refused });
    }
  }
  return outcomes;
}

async function begin(tx: WriteTransaction, projects: Projects, projectId: string): Promise<Workflow> {
  await projects.beginChange(tx, projectId, 'project_id');
  return projects.workflow(tx, projectId);
}

async function write(
  tx: WriteTransaction,
  found: FoundWrite,
  workflows: ReadonlyMap<string, Maybe<Workflow>>,
): Promise<Written> {
  const workflow = workflows.get(found.projectId)!;
  if ('refusal' in workflow) throw found.refusedBy(workflow.refusal);
  const locked = await found.lock();
  // Those before it have changed the counts.
  const scope = (await tx.table(projectScopes).get(found.projectId))!;
  return locked(scope, workflow.value);
}

async function attempt<T>(fn: () => Promise<T>): Promise<Maybe<T>> {
  try {
    return { value: await fn() };
  } catch (refusal) {
    if (!isRefusal(refusal)) throw refusal;
    return { refusal };
  }
}

function given<T>(maybe: Maybe<T>): T {
  if ('refusal' in maybe) throw maybe.refusal;
  return maybe.value;
}
