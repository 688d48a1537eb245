import { notFound } from '../../core/contracts/errors.ts';
import { type ProjectScope, type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Users } from '../../core/contracts/users.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { changeIssue, emitIssue, type IssuePatch, openness, type Written } from './change.ts';
import { parseIssueId } from './ids.ts';
import { findIssue, lockFound, orRestart } from './lookup.ts';
import { applyRules, checkValue } from './rules.ts';
import { issuesTable } from './table.ts';

export interface NewIssue {
  readonly projectId: string;
  readonly summary: string;
  readonly description: string;
  /** Empty = the workflow's default; also the next three. */
  readonly type: string;
  readonly priority: string;
  readonly status: string;
  readonly resolution: string;
  readonly assigneeId: string;
  /** Microseconds. */
  readonly dueAt: number | null;
}

/**
 * One write of one issue, in the steps in which a transaction takes it, be it alone or with others in a batch: each is
 * looked up, then the projects of all are locked, then each is written.
 */
export interface IssueWrite {
  /** Reads which project the write is in. Throws what the caller is told when there is none. */
  find(tx: WriteTransaction): Promise<FoundWrite>;
}

export interface FoundWrite {
  readonly projectId: string;
  /** What the caller is told when the project cannot be changed, or a Restart. */
  refusedBy(error: unknown): unknown;
  /** Locks what the write is about, apart from the project, whose lock was asked for before. */
  lock(): Promise<LockedWrite>;
}

/**
 * The project is locked; `scope` has its counts as they are. Every refusal is thrown before the first thing that is
 * written, so a batch may leave the write out and go on. It must stay so.
 */
export type LockedWrite = (scope: ProjectScope, workflow: Workflow) => Promise<Written>;

/** The write on its own. */
export async function writeOne(tx: WriteTransaction, projects: Projects, { find }: IssueWrite): Promise<Written> {
  const found = await find(tx);
  // Asked for together and in the order of the locks; of several refusals the first in this order is told.
  const [begun, workflow, locked] = await Promise.allSettled([
    projects.beginChange(tx, found.projectId, 'project_id'),
    projects.workflow(tx, found.projectId),
    found.lock(),
  ]);
  if (begun.status === 'rejected') throw found.refusedBy(begun.reason);
  if (workflow.status === 'rejected') throw workflow.reason;
  if (locked.status === 'rejected') throw locked.reason;
  return locked.value(begun.value, workflow.value);
}

export function creation(users: Users, wishOf: () => NewIssue, actor: string | null): IssueWrite {
  return {
    async find(tx) {
      const wish = wishOf();
      return {
        projectId: wish.projectId.toLowerCase(),
        refusedBy: (error) => error,
        async lock() {
          const assignee = wish.assigneeId === '' ? null : wish.assigneeId.toLowerCase();
          if (assignee !== null) await users.require(tx, assignee, 'assignee_id', { active: true });
          return (scope, workflow) => createIssue(tx, scope, wish, assignee, workflow, actor);
        },
      };
    },
  };
}

/** A change of the issue of this name. `patchOf` may throw a refusal, also that of its own form. */
export function change(
  users: Users,
  name: string,
  etag: string,
  patchOf: (status: string, workflow: Workflow) => IssuePatch,
  actor: string | null,
): IssueWrite {
  const missing = () => notFound('issue', name);
  return {
    async find(tx) {
      const found = await findIssue(tx, parseIssueId(name));
      if (!found) throw missing();
      return {
        projectId: found.project_id,
        refusedBy: orRestart,
        async lock() {
          const row = await lockFound(tx, found, 'update', missing);
          return async (scope, workflow) => {
            checkEtag('issue', name, etag, row);
            const patch = patchOf(row.status, workflow);
            if (patch.assignee && patch.assignee !== row.assignee_id)
              await users.require(tx, patch.assignee, 'assignee_id', { active: true });
            return changeIssue(tx, scope, row, patch, workflow, actor);
          };
        },
      };
    },
  };
}

async function createIssue(
  tx: WriteTransaction,
  { id: projectId }: ProjectScope,
  wish: NewIssue,
  assignee: string | null,
  workflow: Workflow,
  actor: string | null,
): Promise<Written> {
  const type = wish.type === '' ? (workflow.types[0] ?? '') : wish.type;
  const priority = wish.priority === '' ? workflow.defaultPriority : wish.priority;
  checkValue('type', type, workflow);
  checkValue('priority', priority, workflow);
  if (wish.status !== '') checkValue('status', wish.status, workflow);
  if (wish.resolution !== '') checkValue('resolution', wish.resolution, workflow);
  const { status, resolution, adjustments } = applyRules(
    workflow,
    { status: workflow.initialStatus, resolution: null, assignee: null },
    {
      ...(wish.status === '' ? {} : { status: wish.status }),
      ...(wish.resolution === '' ? {} : { resolution: wish.resolution }),
      assignee,
    },
  );
  const scope = await tx.table(projectScopes).increment(projectId, {
    last_number: 1,
    issue_count: 1,
    open_issue_count: openness(workflow, status),
  });
  const row = await tx.table(issuesTable).insert({
    id: uuidv7(),
    project_id: projectId,
    number: scope.last_number,
    key: `${scope.key}-${scope.last_number}`,
    summary: wish.summary,
    description: wish.description,
    type,
    priority,
    priority_rank: workflow.priorities.indexOf(priority),
    status,
    resolution,
    assignee_id: assignee,
    reporter_id: actor,
    due_at: wish.dueAt,
    created_at: tx.now,
    updated_at: tx.now,
  });
  await emitIssue(tx, scope, undefined, row, actor);
  return { row, adjustments };
}
