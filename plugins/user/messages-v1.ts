import { etagOf } from '../../core/lib/etags.ts';
import { toTimestamp } from '../../core/lib/time.ts';
import type { User } from '../../proto/gen/user/v1/user.ts';
import type { UserRow } from './table.ts';

/** A user as userpb shows it. */
export function userOfRow(row: UserRow): User {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    createdAt: toTimestamp(row.created_at),
    updatedAt: toTimestamp(row.updated_at),
    etag: etagOf(row),
  };
}
