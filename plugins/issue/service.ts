import type { Actor } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import { DomainError, notFound } from '../../core/contracts/errors.ts';
import type { ChangeLog } from '../../core/contracts/log.ts';
import { type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import type { ReadTransaction, Store, WriteTransaction } from '../../core/contracts/store.ts';
import type { Users } from '../../core/contracts/users.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { emitIssue } from './events.ts';
import { parseIssueId } from './ids.ts';
import {
  type Adjustment,
  allowedFrom,
  applyRules,
  categoryOf,
  checkValue,
  missingFor,
  transitionRefused,
  type Wish,
} from './rules.ts';
import { type IssueRow, issuesTable } from './table.ts';

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

/** Only what is to change; null and '' clear. */
export interface IssuePatch extends Wish {
  readonly summary?: string;
  readonly description?: string;
  readonly type?: string;
  readonly priority?: string;
  readonly dueAt?: number | null;
}

export interface Written {
  readonly row: IssueRow;
  readonly adjustments: readonly Adjustment[];
}

export interface AllowedTransition {
  readonly status: string;
  readonly category: string;
  readonly missing: readonly string[];
}

export class IssueService {
  readonly #store: Store;
  readonly #projects: Projects;
  readonly #users: Users;
  readonly #log: ChangeLog;
  readonly #cache: Cache | undefined;

  constructor(store: Store, projects: Projects, users: Users, log: ChangeLog, cache: Cache | undefined) {
    this.#store = store;
    this.#projects = projects;
    this.#users = users;
    this.#log = log;
    this.#cache = cache;
  }

  create(wish: NewIssue, actor: Actor, signal?: AbortSignal): Promise<Written> {
    const projectId = wish.projectId.toLowerCase();
    const assignee = wish.assigneeId === '' ? null : wish.assigneeId.toLowerCase();
    return this.#write(async (tx) => {
      await this.#projects.beginChange(tx, projectId, 'project_id');
      if (assignee !== null) await this.#users.require(tx, assignee, 'assignee_id', { active: true });
      const workflow = await this.#projects.workflow(tx, projectId);
      const type = wish.type === '' ? (workflow.types[0] ?? '') : wish.type;
      const priority = wish.priority === '' ? workflow.defaultPriority : wish.priority;
      checkValue('type', type, workflow);
      checkValue('priority', priority, workflow);
      if (wish.status !== '') checkValue('status', wish.status, workflow);
      if (wish.resolution !== '') checkValue('resolution', wish.resolution, workflow);
      const outcome = applyRules(
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
        open_issue_count: isOpen(workflow, outcome.status) ? 1 : 0,
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
        status: outcome.status,
        resolution: outcome.resolution,
        assignee_id: outcome.assignee,
        reporter_id: actor.userId,
        due_at: wish.dueAt,
        created_at: tx.now,
        updated_at: tx.now,
      });
      await emitIssue(tx, undefined, row, actor.userId);
      return { row, adjustments: outcome.adjustments };
    }, signal);
  }

  async get(name: string): Promise<IssueRow> {
    const by = parseIssueId(name);
    const load = () => this.#store.read((tx) => findIssue(tx, by));
    const row = 'id' in by && this.#cache ? await this.#cache.through('issue', by.id, load) : await load();
    if (!row) throw notFound('issue', name);
    return row;
  }

  update(name: string, patch: IssuePatch, etag: string, actor: Actor, signal?: AbortSignal): Promise<Written> {
    return this.#write(async (tx) => {
      const before = await this.#lock(tx, name);
      checkEtag('issue', name, etag, before);
      return this.#apply(tx, before, patch, actor);
    }, signal);
  }

  /** Unlike an update, asks for a move: to stay where it is is not one. */
  transition(
    name: string,
    to: string,
    wish: Omit<Wish, 'status'>,
    etag: string,
    actor: Actor,
    signal?: AbortSignal,
  ): Promise<Written> {
    return this.#write(async (tx) => {
      const before = await this.#lock(tx, name);
      checkEtag('issue', name, etag, before);
      const workflow = await this.#projects.workflow(tx, before.project_id);
      checkValue('status', to, workflow);
      if (to === before.status) throw transitionRefused(workflow, before.status, to);
      return this.#apply(tx, before, { ...wish, status: to }, actor);
    }, signal);
  }

  async delete(name: string, etag: string, actor: Actor, signal?: AbortSignal): Promise<void> {
    await this.#write(async (tx) => {
      const row = await this.#lock(tx, name);
      checkEtag('issue', name, etag, row);
      const workflow = await this.#projects.workflow(tx, row.project_id);
      await tx.table(issuesTable).delete(row.id);
      await tx
        .table(projectScopes)
        .increment(row.project_id, { issue_count: -1, open_issue_count: isOpen(workflow, row.status) ? -1 : 0 });
      await emitIssue(tx, row, undefined, actor.userId);
    }, signal);
  }

  list(request: ListRequest) {
    return this.#store.read((tx) =>
      listPage(tx.table(issuesTable), {
        ...request,
        table: issuesTable,
        sizeOf: (row) => 600 + Buffer.byteLength(row.summary) + Buffer.byteLength(row.description),
      }),
    );
  }

  isEmpty(): Promise<boolean> {
    return this.#store.read(async (tx) => (await tx.table(issuesTable).find({ limit: 1 })).rows.length === 0);
  }

  async allowedTransitions(name: string): Promise<readonly AllowedTransition[]> {
    const row = await this.get(name);
    const workflow = await this.#store.read((tx) => this.#projects.workflow(tx, row.project_id));
    return allowedFrom(workflow, row.status).map((status) => ({
      status,
      category: categoryOf(workflow, status),
      missing: missingFor(workflow, status, {
        status: row.status,
        resolution: row.resolution,
        assignee: row.assignee_id,
      }),
    }));
  }

  /** Also of an issue that was deleted, by its id. */
  async history(name: string, limit: number, after: string | undefined) {
    const by = parseIssueId(name);
    const row = await this.#store.read((tx) => findIssue(tx, by));
    const id = row?.id ?? ('id' in by ? by.id : undefined);
    const page = id && (await this.#log.history({ entity: 'issue', entityId: id, limit, ...(after ? { after } : {}) }));
    if (!page || (!row && page.entries.length === 0 && !after)) throw notFound('issue', name);
    return page;
  }

  /** Locks the issue's project, then the issue. NOT_FOUND; FAILED_PRECONDITION when the project is archived. */
  async #lock(tx: WriteTransaction, name: string): Promise<IssueRow> {
    const found = await findIssue(tx, parseIssueId(name));
    if (!found) throw notFound('issue', name);
    await this.#projects.beginChange(tx, found.project_id, 'project_id');
    const row = await tx.table(issuesTable).lock(found.id, 'update');
    if (!row) throw notFound('issue', name);
    if (row.project_id !== found.project_id)
      throw new DomainError(
        'ABORTED',
        'ISSUE_MOVED',
        `issue ${name} was moved to another project meanwhile: try again`,
      );
    return row;
  }

  async #apply(tx: WriteTransaction, before: IssueRow, patch: IssuePatch, actor: Actor): Promise<Written> {
    const workflow = await this.#projects.workflow(tx, before.project_id);
    if (patch.type !== undefined) checkValue('type', patch.type, workflow);
    if (patch.priority !== undefined) checkValue('priority', patch.priority, workflow);
    if (patch.status !== undefined) checkValue('status', patch.status, workflow);
    if (patch.resolution) checkValue('resolution', patch.resolution, workflow);
    if (patch.assignee && patch.assignee !== before.assignee_id)
      await this.#users.require(tx, patch.assignee, 'assignee_id', { active: true });
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
    const changed = Object.entries(wanted).filter(([field, value]) => before[field as keyof IssueRow] !== value);
    if (changed.length === 0) return { row: before, adjustments };
    const row = await tx
      .table(issuesTable)
      .update(before.id, { ...Object.fromEntries(changed), updated_at: tx.now }, { ifVersion: before.version });
    const opened = Number(isOpen(workflow, status)) - Number(isOpen(workflow, before.status));
    if (opened !== 0) await tx.table(projectScopes).increment(before.project_id, { open_issue_count: opened });
    await emitIssue(tx, before, row, actor.userId);
    return { row, adjustments };
  }

  #write<T>(fn: (tx: WriteTransaction) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#store.write(fn, signal ? { signal } : {});
  }
}

async function findIssue(
  tx: ReadTransaction,
  by: { readonly id: string } | { readonly key: string },
): Promise<IssueRow | undefined> {
  const table = tx.table(issuesTable);
  return 'id' in by ? table.get(by.id) : (await table.find({ where: eq('key', by.key), limit: 1 })).rows[0];
}

function isOpen(workflow: Workflow, status: string): boolean {
  return categoryOf(workflow, status) !== 'DONE';
}
