import type { Actor } from '../../core/contracts/api.ts';
import { invalidField } from '../../core/contracts/errors.ts';
import { eq } from '../../core/contracts/query.ts';
import type { ReadTransaction, WriteTransaction } from '../../core/contracts/store.ts';
import { BatchSize, isRefusal, ofItem } from '../../core/lib/batches.ts';
import { uuidv7 } from '../../core/lib/uuid.ts';
import { emitUser, insertUser } from './change.ts';
import { type NewUser, newUser } from './profile.ts';
import { type Profile, type UserRow, usersTable } from './table.ts';

/** Users that are to be made together, in the order of the request. INVALID_ARGUMENT that names item and field. */
export function newUsers(profiles: readonly Profile[]): readonly NewUser[] {
  const places = new Map<string, number>();
  return profiles.map((profile, index) => {
    try {
      const user = newUser(profile);
      const first = places.get(user.email_key);
      if (first !== undefined)
        throw invalidField(
          'email',
          `must not be that of requests[${first}] (letter case does not count)`,
          'EMAIL_TWICE',
        );
      places.set(user.email_key, index);
      return user;
    } catch (error) {
      throw isRefusal(error) ? ofItem(index, error) : error;
    }
  });
}

/** Stores them all, each with its event; returns them in their order, in which they are also listed. */
export async function insertUsers(
  tx: WriteTransaction,
  users: readonly NewUser[],
  actor: Actor,
): Promise<readonly UserRow[]> {
  const ids = users.map(() => uuidv7());
  // Two calls that want some of the same addresses wait for each other in one order, so neither waits for ever.
  const byAddress = [...users.keys()].sort((a, b) => (users[a]!.email_key < users[b]!.email_key ? -1 : 1));
  const rows = new Map<number, UserRow>();
  for (const index of byAddress) rows.set(index, await insertUser(tx, ids[index]!, users[index]!));
  const inOrder = [...users.keys()].map((index) => rows.get(index)!);
  const size = new BatchSize();
  for (const row of inOrder) size.add(row);
  for (const row of inOrder) await emitUser(tx, undefined, row, actor);
  return inOrder;
}

/** The first of them whose address another user has. */
export async function firstTaken(tx: ReadTransaction, users: readonly NewUser[]): Promise<number | undefined> {
  for (const [index, { email_key }] of users.entries()) {
    const { rows } = await tx.table(usersTable).find({ where: eq('email_key', email_key), limit: 1 });
    if (rows.length > 0) return index;
  }
  return undefined;
}
