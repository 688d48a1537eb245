import { type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import { maskedFields } from '../../core/lib/masks.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { filterFieldsV1, listOptions } from './lists.ts';
import { userOfRow } from './messages-v1.ts';
import type { UserService } from './service.ts';
import { emptyProfile } from './table.ts';

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
      async createUser({ name, email }, call) {
        return { user: userOfRow(await users.create({ ...emptyProfile, name, email }, call)) };
      },
      async getUser({ id }) {
        return { user: userOfRow(await users.get(id)) };
      },
      async updateUser(request, call) {
        const fields = maskedFields(request, ['name', 'email'], request.updateMask);
        const patch = Object.fromEntries(fields.map((field) => [field, request[field] ?? '']));
        return { user: userOfRow(await users.update(request.id, patch, request.etag, call)) };
      },
      async deleteUser({ id, etag, force }, call) {
        await users.delete(id, etag, force, call);
        return {};
      },
      async listUsers(request) {
        const page = await users.list(listOptions(request, filterFieldsV1, clock.now()));
        return { users: page.rows.map(userOfRow), nextPageToken: page.nextPageToken };
      },
    },
  });
}
