import type { Caller } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import { type DomainError, invalidField, notFound } from '../../core/contracts/errors.ts';
import type { IssueContents, Issues } from '../../core/contracts/issues.ts';
import type { ChangeLog, HistoryQuery } from '../../core/contracts/log.ts';
import { type ProjectScope, type Projects, projectScopes, type Workflow } from '../../core/contracts/projects.ts';
import type { Store, WriteTransaction } from '../../core/contracts/store.ts';
import type { Users } from '../../core/contracts/users.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { type Outcome, writeAll } from './batch.ts';
import { deleteIssue, type IssuePatch, openness, type Written } from './change.ts';
import { type IssueId, issueIdOf, parseIssueId } from './ids.ts';
import { findIssue, idOfKey, lockFound, lockProjectOf } from './lookup.ts';
import { issueOf } from './messages.ts';
import { type Move, moveIssue } from './move.ts';
import { allowedFrom, categoryOf, checkValue, missingFor, transitionRefused, type Wish } from './rules.ts';
import { type IssueRow, issuesTable } from './table.ts';
import { change, creation, type IssueWrite, type NewIssue, writeOne } from './writes.ts';

/** One of several: `patch` may be refused for its form when it is asked for. */
export interface IssueUpdate {
  /** The issue's id or key. */
  readonly name: string;
  readonly etag: string;
  patch(): IssuePatch;
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
    return this.#writeOne(
      creation(this.#users, () => wish, caller.actor.userId),
      caller,
    );
  }

  /** Each by its own rules; see batch.ts. A wish may be refused for its form when it is asked for. */
  createAll(
    wishes: readonly (() => NewIssue)[],
    atomic: boolean,
    caller: Caller<readonly Outcome[]>,
  ): Promise<readonly Outcome[]> {
    const writes = wishes.map((wish) => creation(this.#users, wish, caller.actor.userId));
    return this.#write(caller, (tx) => writeAll(tx, this.#projects, writes, atomic));
  }

  async get(name: string): Promise<IssueRow> {
    const row = await this.#load(name);
    if (!row) throw notFound('issue', name);
    return row;
  }

  async find(idOrKey: string) {
    const row = issueIdOf(idOrKey) && (await this.#load(idOrKey));
    return row && issueOf(row);
  }

  async beginChange(tx: WriteTransaction, idOrKey: string, field: string) {
    const missing = () => invalidField(field, 'must be the id or the key of an existing issue', 'ISSUE_NOT_FOUND');
    const { row, scope } = await this.#lock(tx, parseIssueId(idOrKey, field), 'share', missing);
    return { issueId: row.id, scope };
  }

  update(name: string, patch: IssuePatch, etag: string, caller: Caller<Written>): Promise<Written> {
    return this.#writeOne(
      change(this.#users, name, etag, () => patch, caller.actor.userId),
      caller,
    );
  }

  /** Like createAll; those of one issue apply one after the other. */
  updateAll(
    updates: readonly IssueUpdate[],
    atomic: boolean,
    caller: Caller<readonly Outcome[]>,
  ): Promise<readonly Outcome[]> {
    const writes = updates.map(({ name, etag, patch }) => change(this.#users, name, etag, patch, caller.actor.userId));
    return this.#write(caller, (tx) => writeAll(tx, this.#projects, writes, atomic));
  }

  /** Unlike an update, asks for a move: to stay where it is is not one. */
  transition(
    name: string,
    to: string,
    wish: Omit<Wish, 'status'>,
    etag: string,
    caller: Caller<Written>,
  ): Promise<Written> {
    const patchOf = (from: string, workflow: Workflow) => {
      checkValue('status', to, workflow);
      if (to === from) throw transitionRefused(workflow, from, to);
      return { ...wish, status: to };
    };
    return this.#writeOne(change(this.#users, name, etag, patchOf, caller.actor.userId), caller);
  }

  move(move: Move, caller: Caller<Written>): Promise<Written> {
    return this.#write(caller, (tx) => moveIssue(tx, this.#projects, move, caller.actor.userId));
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

  /** One page, of one snapshot. `options` gets the workflow of the project, where one is named. */
  list(projectId: string | undefined, options: (workflow: Workflow | undefined) => ListRequest) {
    return this.#store.read(async (tx) => {
      const workflow = projectId === undefined ? undefined : await this.#projects.workflow(tx, projectId);
      return listPage(tx.table(issuesTable), { ...options(workflow), table: issuesTable });
    });
  }

  isEmpty(): Promise<boolean> {
    return this.#store.read(async (tx) => (await tx.table(issuesTable).find({ limit: 1 })).rows.length === 0);
  }

  /** Of one snapshot, and so not through the cache. */
  async allowedTransitions(name: string): Promise<readonly AllowedTransition[]> {
    const by = parseIssueId(name);
    const { row, workflow } = await this.#store.read(async (tx) => {
      const row = await findIssue(tx, by);
      if (!row) throw notFound('issue', name);
      return { row, workflow: await this.#projects.workflow(tx, row.project_id) };
    });
    const { status: from, resolution, assignee_id: assignee } = row;
    return allowedFrom(workflow, from).map((status) => ({
      status,
      category: categoryOf(workflow, status),
      missing: missingFor(workflow, status, { status: from, resolution, assignee }),
    }));
  }

  /** Also of an issue that was deleted. */
  async history(name: string, page: Omit<HistoryQuery, 'entity' | 'entityId'>) {
    const by = parseIssueId(name);
    const id = 'id' in by ? by.id : await this.#store.read((tx) => idOfKey(tx, by.key));
    if (!id) throw notFound('issue', name);
    const entity = { entity: 'issue', entityId: id };
    const found = await this.#log.history({ ...entity, ...page });
    // Every issue has an entry at least, so none at all is none of the filter's, or no issue.
    const known =
      found.entries.length > 0 || (page.where && (await this.#log.history({ ...entity, limit: 1 })).entries[0]);
    if (!known && !page.after) throw notFound('issue', name);
    return found;
  }

  #load(name: string): Promise<IssueRow | undefined> {
    const by = parseIssueId(name);
    const load = () => this.#store.read((tx) => findIssue(tx, by));
    return 'id' in by && this.#cache ? this.#cache.through('issue', by.id, load) : load();
  }

  #writeOne(write: IssueWrite, caller: Caller<Written>): Promise<Written> {
    return this.#write(caller, (tx) => writeOne(tx, this.#projects, write));
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
    const scope = await lockProjectOf(tx, this.#projects, found);
    const row = await lockFound(tx, found, mode, missing);
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
