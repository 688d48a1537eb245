import type { Caller } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import { DomainError, invalidField, notFound } from '../../core/contracts/errors.ts';
import type { IssueContents, Issues } from '../../core/contracts/issues.ts';
import type { ChangeLog } from '../../core/contracts/log.ts';
import { type ProjectScope, type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import { type ReadTransaction, Restart, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import type { Users } from '../../core/contracts/users.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { changeIssue, deleteIssue, emitIssue, type IssuePatch, openness, type Written } from './change.ts';
import { type IssueId, parseIssueId } from './ids.ts';
import { issueOf } from './messages.ts';
import { allowedFrom, applyRules, categoryOf, checkValue, missingFor, transitionRefused, type Wish } from './rules.ts';
import { formerKeysTable, type IssueRow, issuesTable } from './table.ts';

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

export interface AllowedTransition {
  readonly status: string;
  readonly category: string;
  readonly missing: readonly string[];
}

export class IssueService implements Issues {
  readonly #store: Store;
  readonly #projects: Projects;
  readonly #users: Users;
  readonly #log: ChangeLog;
  readonly #cache: Cache | undefined;
  /** What belongs to issues; known once every plugin is set up. */
  contents: readonly IssueContents[] = [];

  constructor(store: Store, projects: Projects, users: Users, log: ChangeLog, cache: Cache | undefined) {
    this.#store = store;
    this.#projects = projects;
    this.#users = users;
    this.#log = log;
    this.#cache = cache;
  }

  create(wish: NewIssue, caller: Caller<Written>): Promise<Written> {
    const projectId = wish.projectId.toLowerCase();
    const assignee = wish.assigneeId === '' ? null : wish.assigneeId.toLowerCase();
    return this.#write(caller, async (tx) => {
      await this.#projects.beginChange(tx, projectId, 'project_id');
      if (assignee !== null) await this.#users.require(tx, assignee, 'assignee_id', { active: true });
      const workflow = await this.#projects.workflow(tx, projectId);
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
        reporter_id: caller.actor.userId,
        due_at: wish.dueAt,
        created_at: tx.now,
        updated_at: tx.now,
      });
      await emitIssue(tx, scope, undefined, row, caller.actor.userId);
      return { row, adjustments };
    });
  }

  async get(name: string): Promise<IssueRow> {
    const row = await this.#load(name);
    if (!row) throw notFound('issue', name);
    return row;
  }

  async find(idOrKey: string) {
    const row = await this.#load(idOrKey);
    return row && issueOf(row);
  }

  async beginChange(tx: WriteTransaction, issueId: string, field: string) {
    const missing = () => invalidField(field, 'must be the id of an existing issue', 'ISSUE_NOT_FOUND');
    const { row, scope } = await this.#lock(tx, { id: issueId.toLowerCase() }, 'share', missing);
    return { issueId: row.id, scope };
  }

  update(name: string, patch: IssuePatch, etag: string, caller: Caller<Written>): Promise<Written> {
    return this.#change(name, etag, caller, () => patch);
  }

  /** Unlike an update, asks for a move: to stay where it is is not one. */
  transition(
    name: string,
    to: string,
    wish: Omit<Wish, 'status'>,
    etag: string,
    caller: Caller<Written>,
  ): Promise<Written> {
    return this.#change(name, etag, caller, (before, workflow) => {
      checkValue('status', to, workflow);
      if (to === before.status) throw transitionRefused(workflow, before.status, to);
      return { ...wish, status: to };
    });
  }

  async delete(name: string, etag: string, caller: Caller<void>): Promise<void> {
    await this.#write(caller, async (tx) => {
      const { row, scope } = await this.#lockNamed(tx, name);
      checkEtag('issue', name, etag, row);
      const workflow = await this.#projects.workflow(tx, row.project_id);
      const counted = await tx
        .table(projectScopes)
        .increment(scope.id, { issue_count: -1, open_issue_count: 0 - openness(workflow, row.status) });
      await deleteIssue(tx, counted, row, this.contents, caller.actor.userId);
    });
  }

  list(request: ListRequest) {
    return this.#store.read((tx) =>
      listPage(tx.table(issuesTable), {
        ...request,
        table: issuesTable,
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

  /** Also of an issue that was deleted. */
  async history(name: string, limit: number, after: string | undefined) {
    const by = parseIssueId(name);
    const id = 'id' in by ? by.id : await this.#store.read((tx) => idOfKey(tx, by.key));
    const page = id && (await this.#log.history({ entity: 'issue', entityId: id, limit, ...(after ? { after } : {}) }));
    if (!page || (page.entries.length === 0 && !after)) throw notFound('issue', name);
    return page;
  }

  #load(name: string): Promise<IssueRow | undefined> {
    const by = parseIssueId(name);
    const load = () => this.#store.read((tx) => findIssue(tx, by));
    return 'id' in by && this.#cache ? this.#cache.through('issue', by.id, load) : load();
  }

  #change(
    name: string,
    etag: string,
    caller: Caller<Written>,
    patchOf: (before: IssueRow, workflow: Workflow) => IssuePatch,
  ): Promise<Written> {
    return this.#write(caller, async (tx) => {
      const { row, scope } = await this.#lockNamed(tx, name);
      checkEtag('issue', name, etag, row);
      const workflow = await this.#projects.workflow(tx, row.project_id);
      const patch = patchOf(row, workflow);
      if (patch.assignee && patch.assignee !== row.assignee_id)
        await this.#users.require(tx, patch.assignee, 'assignee_id', { active: true });
      return changeIssue(tx, scope, row, patch, workflow, caller.actor.userId);
    });
  }

  /** Locks the issue's project, then the issue. FAILED_PRECONDITION when the project is archived. */
  async #lock(
    tx: WriteTransaction,
    by: IssueId,
    mode: 'update' | 'share',
    missing: () => DomainError,
  ): Promise<{ readonly row: IssueRow; readonly scope: ProjectScope }> {
    const found = await findIssue(tx, by);
    if (!found) throw missing();
    const scope = await this.#projects.beginChange(tx, found.project_id, 'id').catch((error: unknown) => {
      // The project was deleted with its issues between the two reads.
      throw error instanceof DomainError && error.reason === 'PROJECT_NOT_FOUND' ? missing() : error;
    });
    const row = await tx.table(issuesTable).lock(found.id, mode);
    if (!row) throw missing();
    if (row.project_id !== found.project_id) throw new Restart('the issue was moved to another project meanwhile');
    return { row, scope };
  }

  /** To change the issue itself. */
  #lockNamed(tx: WriteTransaction, name: string) {
    return this.#lock(tx, parseIssueId(name), 'update', () => notFound('issue', name));
  }

  #write<T>(caller: Caller<T>, fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    return writeOnce(this.#store, caller, fn);
  }
}

/** Also of an issue that was deleted. */
async function idOfKey(tx: ReadTransaction, key: string): Promise<string | undefined> {
  const issue = await findIssue(tx, { key });
  return issue?.id ?? (await tx.table(formerKeysTable).get(key))?.issue_id;
}

async function findIssue(tx: ReadTransaction, by: IssueId): Promise<IssueRow | undefined> {
  const table = tx.table(issuesTable);
  return 'id' in by ? table.get(by.id) : (await table.find({ where: eq('key', by.key), limit: 1 })).rows[0];
}
