import { type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import { maskedFields } from '../../core/lib/masks.ts';
import { answerOnce } from '../../core/lib/write-once.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { filterFieldsV1, listOptions } from './lists.ts';
import { userOfRow } from './messages-v1.ts';
import type { UserService } from './service.ts';
import { emptyProfile, type UserRow } from './table.ts';

const answerOf = (row: UserRow) => ({ user: userOfRow(row) });

export function userApiV1(users: UserService, clock: Clock): ServiceContribution {
  return service({
    definition: UserServiceService,
    descriptors,
    policy: {
      createUser: { access: 'anyone', effect: 'write' },
      getUser: { access: 'caller', effect: 'read' },
      updateUser: { access: 'caller', effect: 'write' },
      deleteUser: { access: 'admin', effect: 'write' },
      listUsers: { access: 'caller', effect: 'read' },
    },
    handlers: {
      createUser: ({ name, email }, call) =>
        answerOnce(call, answerOf, (caller) => users.create({ ...emptyProfile, name, email }, caller)),
      async getUser({ id }) {
        return answerOf(await users.get(id));
      },
      async updateUser(request, call) {
        const fields = maskedFields(request, ['name', 'email'], request.updateMask);
        const patch = Object.fromEntries(fields.map((field) => [field, request[field] ?? '']));
        return answerOnce(call, answerOf, (caller) => users.update(request.id, patch, request.etag, caller));
      },
      deleteUser: ({ id, etag, force }, call) =>
        answerOnce(
          call,
          () => ({}),
          (caller) => users.delete(id, etag, force, caller),
        ),
      async listUsers(request) {
        const page = await users.list(listOptions(request, filterFieldsV1, clock.now()));
        return { users: page.rows.map(userOfRow), nextPageToken: page.nextPageToken };
      },
    },
  });
}
