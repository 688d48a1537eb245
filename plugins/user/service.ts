import type { Caller } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import {
  alreadyExists,
  failedPrecondition,
  invalidField,
  isDomainError,
  notFound,
} from '../../core/contracts/errors.ts';
import { projectScopes } from '../../core/contracts/projects.ts';
import { isStoreError, Restart, type Store, type WriteTransaction } from '../../core/contracts/store.ts';
import type { FoundReferences, UserReferences, Users } from '../../core/contracts/users.ts';
import { ofItem } from '../../core/lib/batches.ts';
import { changesBetween } from '../../core/lib/changes.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { type ListRequest, listPage } from '../../core/lib/list.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { firstTaken, insertUsers, newUsers } from './bulk.ts';
import { emitUser, historyFields, insertUser } from './change.ts';
import { userOfRow } from './messages-v1.ts';
import { checkedProfile, emailKey, newUser } from './profile.ts';
import { type Profile, type ProfileField, type UserRow, usersTable } from './table.ts';

/** How many references one transaction lets go of when a user is deleted. */
const RELEASE_BATCH = 1000;
/** How often many are created anew when an address that was taken is free again. */
const CREATIONS = 3;
const EMAIL_TAKEN = 'EMAIL_TAKEN';

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

  create(profile: Profile, caller: Caller<UserRow>): Promise<UserRow> {
    const user = newUser(profile);
    return this.#write(caller, async (tx) => {
      const row = await insertUser(tx, uuidv7(), user);
      await emitUser(tx, undefined, row, caller.actor);
      return row;
    });
  }

  /** All or none, in the order of the profiles. An error names the first that was refused. */
  async createAll(profiles: readonly Profile[], caller: Caller<readonly UserRow[]>): Promise<readonly UserRow[]> {
    const users = newUsers(profiles);
    for (let left = CREATIONS; ; left -= 1) {
      try {
        return await this.#write(caller, (tx) => insertUsers(tx, users, caller.actor));
      } catch (error) {
        if (!(isDomainError(error) && error.reason === EMAIL_TAKEN)) throw error;
        // The store says that one is taken, and not which one; it may be free again by now.
        const index = await this.#store.read((tx) => firstTaken(tx, users), { signal: caller.signal });
        if (index !== undefined) throw ofItem(index, error);
        if (left === 1) throw alreadyExists('requests', 'one of them has an address that is taken', EMAIL_TAKEN);
      }
    }
  }

  async get(id: string): Promise<UserRow> {
    const row = await this.#load(id.toLowerCase());
    if (!row) throw notFound('user', id);
    return row;
  }

  update(id: string, patch: Partial<Profile>, etag: string, caller: Caller<UserRow>): Promise<UserRow> {
    const checked = checkedProfile(patch as Pick<Profile, ProfileField>);
    const key = checked.email === undefined ? {} : { email_key: emailKey(checked.email) };
    return this.#change(id, { ...checked, ...key }, etag, caller);
  }

  setActive(id: string, active: boolean, etag: string, caller: Caller<UserRow>): Promise<UserRow> {
    return this.#change(id, { is_active: active }, etag, caller);
  }

  /** Deletes the user after what refers to it has let go, in one transaction, or with force in as many as it takes. */
  async delete(id: string, etag: string, force: boolean, caller: Caller<void>): Promise<void> {
    const userId = id.toLowerCase();
    // Only the first step compares the etag: a step of a long deletion changes the user itself.
    for (let expected = etag; ; expected = '') {
      const done = await this.#store.write(
        async (tx) => {
          const last = await this.#deleteStep(tx, userId, expected, force, caller);
          if (last) await caller.done?.(tx, undefined);
          return last;
        },
        { signal: caller.signal },
      );
      if (done) return;
    }
  }

  list(request: ListRequest) {
    return this.#store.read((tx) =>
      listPage(tx.table(usersTable), {
        ...request,
        table: usersTable,
      }),
    );
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

  async #write<T>(caller: Caller<T>, fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    try {
      return await writeOnce(this.#store, caller, fn);
    } catch (error) {
      throw isStoreError(error, 'already_exists', 'user_email')
        ? alreadyExists('email', 'another user has this address (letter case does not count)', EMAIL_TAKEN)
        : error;
    }
  }

  #change(
    id: string,
    patch: Partial<Omit<UserRow, 'id' | 'version'>>,
    etag: string,
    caller: Caller<UserRow>,
  ): Promise<UserRow> {
    return this.#write(caller, async (tx) => {
      const before = await tx.table(usersTable).lock(id.toLowerCase(), 'update');
      if (!before) throw notFound('user', id);
      checkEtag('user', id, etag, before);
      if (changesBetween(historyFields, before, { ...before, ...patch }).length === 0) return before;
      const after = await tx.table(usersTable).update(before.id, { ...patch, updated_at: tx.now });
      await emitUser(tx, before, after, caller.actor);
      return after;
    });
  }

  /** Returns false when references are left for another step. */
  async #deleteStep(tx: WriteTransaction, id: string, etag: string, force: boolean, caller: Caller): Promise<boolean> {
    const table = tx.table(usersTable);
    const expected = new Set((await this.#find(tx, id)).flatMap((each) => each.projectIds));
    for (const projectId of [...expected].sort()) await tx.table(projectScopes).lock(projectId, 'update');
    const row = await table.lock(id, 'update');
    if (!row) throw notFound('user', id);
    checkEtag('user', id, etag, row);
    // From here on nobody can refer to the user anew, and what does refer to it stands in a locked project.
    const found = await this.#find(tx, id);
    if (found.some((each) => each.projectIds.some((projectId) => !expected.has(projectId))))
      throw new Restart('the user was assigned or made a member meanwhile');
    const long = found.some((each) => each.count > RELEASE_BATCH);
    if (long && !force)
      throw failedPrecondition(
        'USER_HAS_REFERENCES',
        `more than ${RELEASE_BATCH} refer to the user (${this.references.map(({ name }, i) => `${name}: ${found[i]?.count}`).join(', ')}): repeat with force`,
        { count: String(Math.max(...found.map((each) => each.count))) },
      );
    for (const each of found) await each.release(caller.actor.userId);
    if (!long) {
      await emitUser(tx, row, undefined, caller.actor);
      await table.delete(id);
    } else if (row.is_active) {
      // Nobody may be assigned anew while a long deletion is under way.
      await emitUser(tx, row, await table.update(id, { is_active: false, updated_at: tx.now }), caller.actor);
    }
    return !long;
  }

  async #find(tx: WriteTransaction, id: string): Promise<readonly FoundReferences[]> {
    const found: FoundReferences[] = [];
    for (const references of this.references) found.push(await references.find(tx, id, RELEASE_BATCH));
    return found;
  }
}
