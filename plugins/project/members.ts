import type { Caller } from '../../core/contracts/api.ts';
import { alreadyExists, DomainError, etagMismatch, notFound } from '../../core/contracts/errors.ts';
import { type ProjectScope, projectScopes } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import { isStoreError, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import type { UserReferences, Users } from '../../core/contracts/users.ts';
import { emitInProject } from '../../core/lib/changes.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { lockProject } from './locks.ts';
import { memberEtag } from './messages.ts';
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

  add(projectId: string, userId: string, role: string, caller: Caller<MemberRow>): Promise<MemberRow> {
    return this.#write(caller, async (tx) => {
      const { scope } = await lockProject(tx, projectId, 'share');
      await this.#users.require(tx, userId, 'user_id', { active: true });
      const row = await tx.table(membersTable).insert({
        project_id: scope.id,
        user_id: userId.toLowerCase(),
        role: role === '' ? 'MEMBER' : role,
        created_at: tx.now,
        updated_at: tx.now,
      });
      await emit(tx, scope, undefined, row, caller.actor.userId);
      return row;
    });
  }

  update(
    projectId: string,
    userId: string,
    role: string | undefined,
    etag: string,
    caller: Caller<MemberRow>,
  ): Promise<MemberRow> {
    return this.#write(caller, async (tx) => {
      const { row: before, scope } = await lockMember(tx, projectId, userId, etag);
      if (role === undefined || role === before.role) return before;
      const after = await tx
        .table(membersTable)
        .update([before.project_id, before.user_id], { role, updated_at: tx.now });
      await emit(tx, scope, before, after, caller.actor.userId);
      return after;
    });
  }

  async remove(projectId: string, userId: string, etag: string, caller: Caller<void>): Promise<void> {
    await this.#write(caller, async (tx) => {
      const { row, scope } = await lockMember(tx, projectId, userId, etag);
      await end(tx, scope, row, caller.actor.userId);
    });
  }

  /** One page; the request asks for the members of this project. */
  list(projectId: string, request: ListRequest) {
    return this.#store.read(async (tx) => {
      if (!(await tx.table(projectsTable).get(projectId.toLowerCase()))) throw notFound('project', projectId);
      return listPage(tx.table(membersTable), { ...request, table: membersTable });
    });
  }

  async #write<T>(caller: Caller<T>, fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    try {
      return await writeOnce(this.#store, caller, fn);
    } catch (error) {
      throw isStoreError(error, 'already_exists') && error.table === membersTable.name
        ? alreadyExists('user_id', 'this user is a member already', 'MEMBER_EXISTS')
        : error;
    }
  }
}

/** Memberships end when their user is deleted. */
export const memberships: UserReferences = {
  name: 'memberships',
  async find(tx, userId, limit) {
    const table = tx.table(membersTable);
    const where = eq('user_id', userId);
    const { rows } = await table.find({ where, orderBy: { columns: ['project_id'] }, limit });
    return {
      count: await table.count({ where }),
      projectIds: rows.map((row) => row.project_id),
      async release(actor) {
        for (const row of rows) {
          const scope = await tx.table(projectScopes).get(row.project_id);
          await end(tx, scope!, row, actor);
        }
      },
    };
  },
};

/** Ends all memberships of a project, whose scope is locked. */
export async function removeAllMembers(tx: WriteTransaction, projectId: string, actor: string | null): Promise<void> {
  const scope = await tx.table(projectScopes).get(projectId);
  for (;;) {
    const { rows } = await tx.table(membersTable).find({ where: eq('project_id', projectId), limit: BATCH });
    for (const row of rows) await end(tx, scope!, row, actor);
    if (rows.length < BATCH) return;
  }
}

async function end(tx: WriteTransaction, scope: ProjectScope, row: MemberRow, actor: string | null): Promise<void> {
  await tx.table(membersTable).delete([row.project_id, row.user_id]);
  await emit(tx, scope, row, undefined, actor);
}

async function lockMember(
  tx: WriteTransaction,
  projectId: string,
  userId: string,
  etag: string,
): Promise<{ readonly row: MemberRow; readonly scope: ProjectScope }> {
  const { scope } = await lockProject(tx, projectId, 'share');
  const row = await tx.table(membersTable).lock([scope.id, userId.toLowerCase()], 'update');
  if (!row)
    throw new DomainError('NOT_FOUND', 'MEMBER_NOT_FOUND', `user ${userId} is no member of project ${projectId}`);
  if (etag !== '' && etag !== memberEtag(row)) throw etagMismatch('member', userId);
  return { row, scope };
}

async function emit(
  tx: WriteTransaction,
  scope: ProjectScope,
  before: MemberRow | undefined,
  after: MemberRow | undefined,
  actor: string | null,
): Promise<void> {
  const { project_id, user_id } = (after ?? before)!;
  const entityId = `${project_id}/${user_id}`;
  await emitInProject(tx, scope, { entity: 'project_member', entityId, fields: historyFields, before, after }, actor);
}
