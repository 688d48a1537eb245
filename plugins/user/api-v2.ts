import { type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import type { ProjectEntity } from '../../core/contracts/projects.ts';
import { refuseItemKeys } from '../../core/lib/batches.ts';
import { etagOf } from '../../core/lib/etags.ts';
import { maskedFields } from '../../core/lib/masks.ts';
import { toTimestamp } from '../../core/lib/time.ts';
import { answerOnce } from '../../core/lib/write-once.ts';
import { descriptors } from '../../proto/descriptors.ts';
import {
  type CreateUserRequest,
  type UpdateUserRequest,
  User,
  UserServiceService,
} from '../../proto/gen/user/v2/user.ts';
import { filterFieldsV2, listOptions, searchOptions } from './lists.ts';
import type { UserService } from './service.ts';
import { type Profile, type ProfileField, profileFields, type UserRow } from './table.ts';

/** A user as those are shown it who are told of changes: what its events say is its row. */
export const shownUser: ProjectEntity = {
  entity: 'user',
  message: 'userpb.v2.User',
  encode: (after) => User.encode(userOfRow(after as unknown as UserRow)).finish(),
};

function userOfRow(row: UserRow): User {
  return {
    id: row.id,
    name: row.name,
    firstName: row.first_name,
    lastName: row.last_name,
    email: row.email,
    isActive: row.is_active,
    role: row.role,
    avatarUrl: row.avatar_url,
    timeZone: row.time_zone,
    locale: row.locale,
    bio: row.bio,
    createdAt: toTimestamp(row.created_at),
    updatedAt: toTimestamp(row.updated_at),
    etag: etagOf(row),
  };
}

const answerOf = (row: UserRow) => ({ user: userOfRow(row) });
const answerOfAll = (rows: readonly UserRow[]) => ({ users: rows.map(userOfRow) });

function profileOf(request: CreateUserRequest | UpdateUserRequest): Profile {
  return {
    name: request.name ?? '',
    first_name: request.firstName ?? '',
    last_name: request.lastName ?? '',
    email: request.email ?? '',
    avatar_url: request.avatarUrl ?? '',
    time_zone: request.timeZone ?? '',
    locale: request.locale ?? '',
    bio: request.bio ?? '',
  };
}

export function userApiV2(users: UserService, clock: Clock): ServiceContribution {
  return service({
    definition: UserServiceService,
    descriptors,
    policy: {
      createUser: { access: 'anyone', effect: 'write' },
      bulkCreateUsers: { access: 'admin', effect: 'write' },
      getUser: { access: 'caller', effect: 'read' },
      updateUser: { access: 'caller', effect: 'write' },
      deleteUser: { access: 'admin', effect: 'write' },
      deactivateUser: { access: 'admin', effect: 'write' },
      reactivateUser: { access: 'admin', effect: 'write' },
      listUsers: { access: 'caller', effect: 'read' },
      searchUsers: { access: 'caller', effect: 'read' },
    },
    handlers: {
      createUser: (request, call) => answerOnce(call, answerOf, (caller) => users.create(profileOf(request), caller)),
      async bulkCreateUsers({ requests }, call) {
        refuseItemKeys(requests);
        const profiles = requests.map(profileOf);
        return answerOnce(call, answerOfAll, (caller) => users.createAll(profiles, caller));
      },
      async getUser({ id }) {
        return answerOf(await users.get(id));
      },
      async updateUser(request, call) {
        const fields: ProfileField[] = maskedFields(request, profileFields, request.updateMask);
        const profile = profileOf(request);
        const patch = Object.fromEntries(fields.map((field) => [field, profile[field]]));
        return answerOnce(call, answerOf, (caller) => users.update(request.id, patch, request.etag, caller));
      },
      deleteUser: ({ id, etag, force }, call) =>
        answerOnce(
          call,
          () => ({}),
          (caller) => users.delete(id, etag, force, caller),
        ),
      deactivateUser: ({ id, etag }, call) =>
        answerOnce(call, answerOf, (caller) => users.setActive(id, false, etag, caller)),
      reactivateUser: ({ id, etag }, call) =>
        answerOnce(call, answerOf, (caller) => users.setActive(id, true, etag, caller)),
      async listUsers(request) {
        const page = await users.list(listOptions(request, filterFieldsV2, clock.now()));
        return { users: page.rows.map(userOfRow), nextPageToken: page.nextPageToken };
      },
      async searchUsers(request) {
        const page = await users.list(searchOptions(request));
        return { users: page.rows.map(userOfRow), nextPageToken: page.nextPageToken };
      },
    },
  });
}
