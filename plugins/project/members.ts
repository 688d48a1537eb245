import type { Actor } from '../../core/contracts/api.ts';
import { DomainError, notFound } from '../../core/contracts/errors.ts';
import { projectScopes } from '../../core/contracts/projects.ts';
import { and, eq } from '../../core/contracts/query.ts';
import { isStoreError, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import type { UserReferences, Users } from '../../core/contracts/users.ts';
import { emitChange } from '../../core/lib/changes.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { type MemberRow, membersTable, projectsTable } from './tables.ts';

const historyFields = ['user_id', 'role'];
const BATCH = 1000;

/** Who belongs to a project, as what. */
export class MemberService {
  readonly #store: Store;
  readonly #users: Users;

  constructor(store: Store, users: Users) {
    this.#store = store;
    this.#users = users;
  }

  add(projectId: string, userId: string, role: string, actor: Actor, signal?: AbortSignal): Promise<MemberRow> {
    return this.#write(async (tx) => {
      await lockProject(tx, projectId);
      await this.#users.require(tx, userId, 'user_id', { active: true });
      const row = await insertNew(() =>
        tx.table(membersTable).insert({
          project_id: projectId.toLowerCase(),
          user_id: userId.toLowerCase(),
          role: role === '' ? 'MEMBER' : role,
          created_at: tx.now,
          updated_at: tx.now,
        }),
      );
      await emit(tx, undefined, row, actor.userId);
      return row;
    }, signal);
  }

  update(
    projectId: string,
    userId: string,
    role: string | undefined,
    etag: string,
    actor: Actor,
    signal?: AbortSignal,
  ): Promise<MemberRow> {
    return this.#write(async (tx) => {
      const before = await lockMember(tx, projectId, userId);
      checkEtag('member', userId, etag, before);
      if (role === undefined || role === before.role) return before;
      const after = await tx
        .table(membersTable)
        .update([before.project_id, before.user_id], { role, updated_at: tx.now });
      await emit(tx, before, after, actor.userId);
      return after;
    }, signal);
  }

  async remove(projectId: string, userId: string, etag: string, actor: Actor, signal?: AbortSignal): Promise<void> {
    await this.#write(async (tx) => {
      const row = await lockMember(tx, projectId, userId);
      checkEtag('member', userId, etag, row);
      await end(tx, row, actor.userId);
    }, signal);
  }

  list(projectId: string, request: ListRequest) {
    const id = projectId.toLowerCase();
    return this.#store.read(async (tx) => {
      if (!(await tx.table(projectsTable).get(id))) throw notFound('project', projectId);
      return listPage(tx.table(membersTable), {
        ...request,
        table: membersTable,
        where: request.where ? and(eq('project_id', id), request.where) : eq('project_id', id),
      });
    });
  }

  #write<T>(fn: (tx: WriteTransaction) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#store.write(fn, signal ? { signal } : {});
  }
}

/** Memberships end when their user is deleted. */
export const memberships: UserReferences = {
  name: 'memberships',
  async find(tx, userId, limit) {
    const table = tx.table(membersTable);
    const where = eq('user_id', userId);
    const page = await table.find({ where, orderBy: { columns: ['project_id'] }, limit });
    return { count: await table.count({ where }), projectIds: page.rows.map((row) => row.project_id) };
  },
  async release(tx, userId, limit, actor) {
    const page = await tx
      .table(membersTable)
      .find({ where: eq('user_id', userId), orderBy: { columns: ['project_id'] }, limit });
    for (const row of page.rows) await end(tx, row, actor);
    return page.rows.length;
  },
};

/** Ends all memberships of a project, whose scope is locked. */
export async function removeAllMembers(tx: WriteTransaction, projectId: string, actor: string | null): Promise<void> {
  for (;;) {
    const page = await tx.table(membersTable).find({ where: eq('project_id', projectId), limit: BATCH });
    for (const row of page.rows) await end(tx, row, actor);
    if (page.rows.length < BATCH) return;
  }
}

async function end(tx: WriteTransaction, row: MemberRow, actor: string | null): Promise<void> {
  await tx.table(membersTable).delete([row.project_id, row.user_id]);
  await emit(tx, row, undefined, actor);
}

async function lockProject(tx: WriteTransaction, projectId: string): Promise<void> {
  const id = projectId.toLowerCase();
  const scope = await tx.table(projectScopes).lock(id, 'update');
  if (!scope || !(await tx.table(projectsTable).lock(id, 'share'))) throw notFound('project', projectId);
}

async function lockMember(tx: WriteTransaction, projectId: string, userId: string): Promise<MemberRow> {
  await lockProject(tx, projectId);
  const row = await tx.table(membersTable).lock([projectId.toLowerCase(), userId.toLowerCase()], 'update');
  if (!row) throw notFound('member', userId);
  return row;
}

async function insertNew(insert: () => Promise<MemberRow>): Promise<MemberRow> {
  try {
    return await insert();
  } catch (error) {
    if (!isStoreError(error, 'already_exists')) throw error;
    const description = 'this user is a member already';
    throw new DomainError('ALREADY_EXISTS', 'MEMBER_EXISTS', `user_id: ${description}`, {
      fields: [{ field: 'user_id', description, reason: 'MEMBER_EXISTS' }],
    });
  }
}

function emit(
  tx: WriteTransaction,
  before: MemberRow | undefined,
  after: MemberRow | undefined,
  actor: string | null,
): Promise<void> {
  const { project_id, user_id } = (after ?? before)!;
  return emitChange(tx, {
    scope: [projectScopes, project_id],
    entity: 'project_member',
    entityId: `${project_id}/${user_id}`,
    fields: historyFields,
    before,
    after,
    actor,
  });
}
