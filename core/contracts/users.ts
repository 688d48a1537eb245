import type { User } from '../../proto/gen/user/v1/user.ts';
import { point, token } from '../kernel/plugin.ts';
import type { WriteTransaction } from './store.ts';

/** What other services need to know of users. */
export interface Users {
  /** The user as userpb shows it, or undefined. Through the cache: not for guards. */
  find(id: string): Promise<User | undefined>;
  /**
   * Locks the user's row as 'share' in the caller's transaction. INVALID_ARGUMENT that names the request's field
   * when there is no such user, or, where `active`, when the user is deactivated.
   */
  require(tx: WriteTransaction, id: string, field: string, options?: { readonly active?: boolean }): Promise<void>;
}

export const users = token<Users>('users');

/** Something that refers to users, and lets go when one is deleted: issues their assignee, projects their members. */
export interface UserReferences {
  /** In words, plural: 'assigned issues'. */
  readonly name: string;
  /** The first `limit` of them. Called before the locks, and again after them. */
  find(tx: WriteTransaction, userId: string, limit: number): Promise<FoundReferences>;
}

export interface FoundReferences {
  /** All of them, not only those that were found. */
  readonly count: number;
  /** The projects of those that were found. */
  readonly projectIds: readonly string[];
  /** Lets go of those that were found, each with its event. They were found after their projects' scopes were locked. */
  release(actor: string | null): Promise<void>;
}

export const userReferences = point<UserReferences>('users.references');
