import type { Caller } from '../../core/contracts/api.ts';
import { alreadyExists, DomainError, failedPrecondition, invalidField, notFound } from '../../core/contracts/errors.ts';
import {
  type ProjectContents,
  type ProjectScope,
  type Projects,
  projectScopes,
  type Workflow,
} from '../../core/contracts/projects.ts';
import { eq, prefix } from '../../core/contracts/query.ts';
import { isStoreError, type ReadTransaction, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import { changesBetween, emitInProject } from '../../core/lib/changes.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { baseKey, numberedKey } from './keys.ts';
import { lockIfAny, lockProject, refuseArchived } from './locks.ts';
import { removeAllMembers } from './members.ts';
import { type ProjectView, projectOf } from './messages.ts';
import { type ProjectRow, projectsTable } from './tables.ts';
import { deleteWorkflow, readWorkflow } from './workflow-rows.ts';

const KEY_TAKEN = 'PROJECT_KEY_TAKEN';
/** How often a key is derived anew when others take it first. */
const DERIVATIONS = 10;
const historyFields = ['key', 'name', 'description', 'archived'];

export class ProjectService implements Projects {
  readonly #store: Store;
  /** What lives in projects; known once every plugin is set up. */
  contents: readonly ProjectContents[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async create(
    wish: { readonly key: string; readonly name: string; readonly description: string },
    caller: Caller<ProjectView>,
  ): Promise<ProjectView> {
    for (let left = DERIVATIONS; ; left -= 1) {
      try {
        return await this.#write(caller, (tx) => this.#insert(tx, wish, caller));
      } catch (error) {
        // Nobody asked for a derived key: when another project has just got it, another key does as well.
        const again = wish.key === '' && left > 1 && error instanceof DomainError && error.reason === KEY_TAKEN;
        if (!again) throw error;
      }
    }
  }

  async get(id: string): Promise<ProjectView> {
    const view = await this.#load(id.toLowerCase());
    if (!view) throw notFound('project', id);
    return view;
  }

  update(
    id: string,
    patch: { readonly name?: string; readonly description?: string; readonly archived?: boolean },
    etag: string,
    caller: Caller<ProjectView>,
  ): Promise<ProjectView> {
    if (patch.name !== undefined && patch.name.trim() === '')
      throw invalidField('name', 'must be 1 to 100 characters, not only white space');
    return this.#write(caller, async (tx) => {
      const { row: before, scope } = await lockProject(tx, id, 'update');
      checkEtag('project', id, etag, before);
      if (changesBetween(historyFields, before, { ...before, ...patch }).length === 0) return { row: before, scope };
      const after = await tx.table(projectsTable).update(before.id, { ...patch, updated_at: tx.now });
      return emit(tx, scope, before, after, caller);
    });
  }

  async delete(id: string, etag: string, force: boolean, caller: Caller<void>): Promise<void> {
    await this.#write(caller, async (tx) => {
      const { row } = await lockProject(tx, id, 'update');
      checkEtag('project', id, etag, row);
      const held: { readonly contents: ProjectContents; readonly count: number }[] = [];
      for (const contents of this.contents) {
        const count = await contents.count(tx, row.id);
        if (count > 0) held.push({ contents, count });
      }
      if (held.length > 0 && !force)
        throw failedPrecondition(
          'PROJECT_NOT_EMPTY',
          `project ${row.key} is not empty (${held.map(({ contents, count }) => `${contents.name}: ${count}`).join(', ')}): repeat with force to delete them too`,
          Object.fromEntries(held.map(({ contents, count }) => [contents.name, String(count)])),
        );
      for (const { contents } of held) await contents.deleteAll(tx, row.id, caller.actor.userId);
      await removeAllMembers(tx, row.id, caller.actor.userId);
      // Deleting what was in it has changed the counts.
      const emptied = (await tx.table(projectScopes).get(row.id))!;
      await deleteWorkflow(tx, emptied, caller.actor.userId);
      await emit(tx, emptied, row, undefined, caller);
      await tx.table(projectsTable).delete(row.id);
    });
  }

  /** One page; rows and counts are of one snapshot. */
  list(request: ListRequest): Promise<{ readonly projects: readonly ProjectView[]; readonly nextPageToken: string }> {
    return this.#store.read(async (tx) => {
      const { rows, nextPageToken } = await listPage(tx.table(projectsTable), {
        ...request,
        table: projectsTable,
      });
      const scopes = await tx.table(projectScopes).getMany(rows.map((row) => row.id));
      const scopeOf = new Map(scopes.map((scope) => [scope.id, scope]));
      const projects = rows.flatMap((row) => {
        const scope = scopeOf.get(row.id);
        return scope ? [{ row, scope }] : [];
      });
      return { projects, nextPageToken };
    });
  }

  isEmpty(): Promise<boolean> {
    return this.#store.read(async (tx) => (await tx.table(projectsTable).find({ limit: 1 })).rows.length === 0);
  }

  async find(id: string) {
    const view = await this.#load(id);
    return view && projectOf(view);
  }

  workflow(tx: ReadTransaction, projectId: string): Promise<Workflow> {
    return readWorkflow(tx, projectId);
  }

  async beginChange(tx: WriteTransaction, projectId: string, field: string): Promise<ProjectScope> {
    const locked = await lockIfAny(tx, projectId, 'share');
    if (!locked) throw invalidField(field, 'must be the id of an existing project', 'PROJECT_NOT_FOUND');
    refuseArchived(locked.row);
    return locked.scope;
  }

  async #insert(
    tx: WriteTransaction,
    { key: wanted, name, description }: { readonly key: string; readonly name: string; readonly description: string },
    caller: Caller,
  ): Promise<ProjectView> {
    const id = uuidv7();
    const key = wanted === '' ? await this.#freeKey(tx, name) : wanted;
    const scope = await tx
      .table(projectScopes)
      .insert({ id, key, revision: 0, last_number: 0, issue_count: 0, open_issue_count: 0 });
    const row = await tx
      .table(projectsTable)
      .insert({ id, key, name, description, archived: false, created_at: tx.now, updated_at: tx.now });
    return emit(tx, scope, undefined, row, caller);
  }

  /** The first free one of the name's keys, near where the numbered ones end. */
  async #freeKey(tx: ReadTransaction, name: string): Promise<string> {
    const base = baseKey(name);
    const like = await tx.table(projectScopes).count({ where: prefix('key', base) });
    for (let n = like + 1; ; n += 1) {
      const key = n === 1 ? base : numberedKey(base, n);
      const { rows } = await tx.table(projectScopes).find({ where: eq('key', key), limit: 1 });
      if (rows.length === 0) return key;
    }
  }

  /** Row and counts of one snapshot. Not through the cache: the counts must be read anyway. */
  #load(id: string): Promise<ProjectView | undefined> {
    return this.#store.read(async (tx) => {
      const row = await tx.table(projectsTable).get(id);
      const scope = row && (await tx.table(projectScopes).get(id));
      return row && scope && { row, scope };
    });
  }

  async #write<T>(caller: Caller<T>, fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    try {
      return await writeOnce(this.#store, caller, fn);
    } catch (error) {
      throw isStoreError(error, 'already_exists', 'project_key')
        ? alreadyExists('key', 'another project has, or had, this key', KEY_TAKEN)
        : error;
    }
  }
}

/** Records the change and returns the project as it is after it. `scope` has the counts as they are. */
async function emit(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: ProjectRow | undefined,
  after: ProjectRow | undefined,
  caller: Caller,
): Promise<ProjectView> {
  const change = { entity: 'project', fields: historyFields, before, after };
  const { revision } = await emitInProject(tx, scope, change, caller.actor.userId);
  return { row: (after ?? before)!, scope: { ...scope, revision } };
}
