import type { Actor } from '../../core/contracts/api.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import { emitChange } from '../../core/lib/changes.ts';
import type { NewUser } from './profile.ts';
import { profileFields, type UserRow, usersTable } from './table.ts';

/** The fields that history records. */
export const historyFields = [...profileFields, 'is_active', 'role'];

/** Stores a user; its event is left to the caller. */
export function insertUser(tx: WriteTransaction, id: string, user: NewUser): Promise<UserRow> {
  return tx.table(usersTable).insert({
    id,
    ...user,
    is_active: true,
    role: 'USER',
    created_at: tx.now,
    updated_at: tx.now,
    revision: 0,
  });
}

/** Records a change of a user, in the user's own scope. */
export async function emitUser(
  tx: WriteTransaction,
  before: UserRow | undefined,
  after: UserRow | undefined,
  actor: Actor,
): Promise<void> {
  const { id } = (after ?? before)!;
  await emitChange(tx, {
    scope: [usersTable, id],
    entity: 'user',
    entityId: id,
    fields: historyFields,
    before: before && withoutRevision(before),
    after: after && withoutRevision(after),
    actor: actor.userId,
  });
}

/** The event has the revision itself: it grows with the event, after the row was written. */
function withoutRevision({ revision: _, ...row }: UserRow): Omit<UserRow, 'revision'> {
  return row;
}
