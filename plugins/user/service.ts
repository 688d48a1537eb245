import type { Actor } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import { DomainError, failedPrecondition, invalidField, notFound } from '../../core/contracts/errors.ts';
import { projectScopes } from '../../core/contracts/projects.ts';
import { matchesText } from '../../core/contracts/query.ts';
import { isStoreError, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import type { UserReferences, Users } from '../../core/contracts/users.ts';
import { changesBetween, emitChange } from '../../core/lib/changes.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { userOfRow } from './messages-v1.ts';
import { checkedProfile, emailKey } from './profile.ts';
import { type Profile, type ProfileField, profileFields, type UserRow, usersTable } from './table.ts';

/** How many references one transaction lets go of when a user is deleted. */
const RELEASE_BATCH = 1000;
const historyFields = [...profileFields, 'is_active', 'role'];

/** The people, for both versions of the API. */
export class UserService implements Users {
  readonly #store: Store;
  readonly #cache: Cache | undefined;
  /** Who refers to users; known once every plugin is set up. */
  references: readonly UserReferences[] = [];

  constructor(store: Store, cache: Cache | undefined) {
    this.#store = store;
    this.#cache = cache;
  }

  async create(profile: Profile, actor: Actor, signal?: AbortSignal): Promise<UserRow> {
    const checked = checkedProfile(profile);
    return this.#write(async (tx) => {
      const row = await insertChecked(() =>
        tx.table(usersTable).insert({
          id: uuidv7(),
          ...checked,
          email_key: emailKey(checked.email),
          is_active: true,
          role: 'USER',
          created_at: tx.now,
          updated_at: tx.now,
          revision: 0,
        }),
      );
      await emit(tx, undefined, row, actor);
      return row;
    }, signal);
  }

  async get(id: string): Promise<UserRow> {
    const row = await this.#load(id.toLowerCase());
    if (!row) throw notFound('user', id);
    return row;
  }

  update(id: string, patch: Partial<Profile>, etag: string, actor: Actor, signal?: AbortSignal): Promise<UserRow> {
    const checked = checkedProfile(patch as Pick<Profile, ProfileField>);
    return this.#change(id, etag, actor, signal, () =>
      checked.email === undefined ? checked : { ...checked, email_key: emailKey(checked.email) },
    );
  }

  setActive(id: string, active: boolean, etag: string, actor: Actor, signal?: AbortSignal): Promise<UserRow> {
    return this.#change(id, etag, actor, signal, () => ({ is_active: active }));
  }

  /** Deletes the user after what refers to it has let go, in one transaction, or with force in as many as it takes. */
  async delete(id: string, etag: string, force: boolean, actor: Actor, signal?: AbortSignal): Promise<void> {
    const userId = id.toLowerCase();
    // Only the first step compares the etag: a step of a long deletion changes the user itself.
    for (let expected = etag; ; expected = '') {
      const done = await this.#write((tx) => this.#deleteStep(tx, userId, expected, force, actor), signal);
      if (done) return;
    }
  }

  list(request: ListRequest) {
    return this.#store.read((tx) =>
      listPage(tx.table(usersTable), {
        ...request,
        table: usersTable,
        sizeOf: (row) => 1000 + Buffer.byteLength(row.bio) + Buffer.byteLength(row.avatar_url),
      }),
    );
  }

  search(text: string, page: { readonly pageSize: number; readonly pageToken: string }) {
    return this.list({
      where: matchesText(text),
      order: { columns: ['created_at'] },
      ...page,
      query: `users/search/${text}`,
    });
  }

  isEmpty(): Promise<boolean> {
    return this.#store.read(async (tx) => (await tx.table(usersTable).find({ limit: 1 })).rows.length === 0);
  }

  async find(id: string) {
    const row = await this.#load(id);
    return row && userOfRow(row);
  }

  async require(tx: WriteTransaction, id: string, field: string, { active = false } = {}): Promise<void> {
    const row = await tx.table(usersTable).lock(id.toLowerCase(), 'share');
    if (!row) throw invalidField(field, 'must be the id of an existing user', 'USER_NOT_FOUND');
    if (active && !row.is_active) throw invalidField(field, 'must be the id of an active user', 'USER_INACTIVE');
  }

  #load(id: string): Promise<UserRow | undefined> {
    const load = () => this.#store.read((tx) => tx.table(usersTable).get(id));
    return this.#cache ? this.#cache.through('user', id, load) : load();
  }

  #write<T>(fn: (tx: WriteTransaction) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#store.write(fn, signal ? { signal } : {});
  }

  #change(
    id: string,
    etag: string,
    actor: Actor,
    signal: AbortSignal | undefined,
    patchOf: (row: UserRow) => Partial<Omit<UserRow, 'version'>>,
  ): Promise<UserRow> {
    return this.#write(async (tx) => {
      const before = await tx.table(usersTable).lock(id.toLowerCase(), 'update');
      if (!before) throw notFound('user', id);
      checkEtag('user', id, etag, before);
      const patch = patchOf(before);
      if (changesBetween(historyFields, before, { ...before, ...patch }).length === 0) return before;
      const after = await insertChecked(() =>
        tx.table(usersTable).update(before.id, { ...patch, updated_at: tx.now }, { ifVersion: before.version }),
      );
      await emit(tx, before, after, actor);
      return after;
    }, signal);
  }

  /** Returns false when references are left for another step. */
  async #deleteStep(tx: WriteTransaction, id: string, etag: string, force: boolean, actor: Actor): Promise<boolean> {
    const found: Awaited<ReturnType<UserReferences['find']>>[] = [];
    for (const references of this.references) found.push(await references.find(tx, id, RELEASE_BATCH));
    for (const projectId of [...new Set(found.flatMap((each) => each.projectIds))].sort())
      await tx.table(projectScopes).lock(projectId, 'update');
    const row = await tx.table(usersTable).lock(id, 'update');
    if (!row) throw notFound('user', id);
    checkEtag('user', id, etag, row);
    const count = found.reduce((sum, each) => sum + each.count, 0);
    if (count > RELEASE_BATCH && !force)
      throw failedPrecondition(
        'USER_HAS_REFERENCES',
        `${this.references.map((each, i) => `${found[i]?.count ?? 0} ${each.name}`).join(' and ')} refer to the user: repeat with force to let go of more than ${RELEASE_BATCH}`,
        { count: String(count) },
      );
    let left = RELEASE_BATCH;
    for (const references of this.references)
      if (left > 0) left -= await references.release(tx, id, left, actor.userId);
    if (count > RELEASE_BATCH) {
      // Nobody may be assigned anew while a long deletion is under way.
      if (row.is_active) {
        const after = await tx.table(usersTable).update(id, { is_active: false, updated_at: tx.now });
        await emit(tx, row, after, actor);
      }
      return false;
    }
    await emit(tx, row, undefined, actor);
    await tx.table(usersTable).delete(id);
    return true;
  }
}

async function insertChecked(write: () => Promise<UserRow>): Promise<UserRow> {
  try {
    return await write();
  } catch (error) {
    if (!isStoreError(error, 'already_exists', 'user_email')) throw error;
    const description = 'another user has this address (letter case does not count)';
    throw new DomainError('ALREADY_EXISTS', 'EMAIL_TAKEN', `email: ${description}`, {
      fields: [{ field: 'email', description, reason: 'EMAIL_TAKEN' }],
    });
  }
}

function emit(
  tx: WriteTransaction,
  before: UserRow | undefined,
  after: UserRow | undefined,
  actor: Actor,
): Promise<void> {
  const { id } = (after ?? before)!;
  return emitChange(tx, {
    scope: [usersTable, id],
    entity: 'user',
    entityId: id,
    fields: historyFields,
    before,
    after,
    actor: actor.userId,
  });
}
