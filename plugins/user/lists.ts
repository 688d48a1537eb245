import { matchesText } from '../../core/contracts/query.ts';
import type { FilterFields } from '../../core/lib/filter.ts';
import { type ListFields, type ListRequest, listRequest } from '../../core/lib/list.ts';
import type { SearchUsersRequest } from '../../proto/gen/user/v2/user.ts';
import { emailKey } from './profile.ts';

const orders = { created_at: ['created_at'], name: ['name'], email: ['email_key'] };

export const filterFieldsV1: FilterFields = {
  id: { column: 'id', type: 'uuid' },
  name: { column: 'name', type: 'text' },
  email: { column: 'email_key', type: 'text', map: emailKey },
  created_at: { column: 'created_at', type: 'timestamp' },
  updated_at: { column: 'updated_at', type: 'timestamp' },
};

export const filterFieldsV2: FilterFields = {
  ...filterFieldsV1,
  first_name: { column: 'first_name', type: 'text' },
  last_name: { column: 'last_name', type: 'text' },
  is_active: { column: 'is_active', type: 'bool' },
  role: { column: 'role', type: 'text', values: ['USER', 'ADMIN'] },
  time_zone: { column: 'time_zone', type: 'text' },
  locale: { column: 'locale', type: 'text' },
};

/** What a ListUsers request asks of the service; the fields a filter may name differ between the versions. */
export function listOptions(request: ListFields, fields: FilterFields, now: number): ListRequest {
  return listRequest(request, { name: 'users', fields, orders, now });
}

/** What a SearchUsers request asks of the service. */
export function searchOptions({ query, ...page }: SearchUsersRequest): ListRequest {
  const request = { ...page, orderBy: '', filter: '' };
  return listRequest(request, { name: 'users/search', fields: {}, orders, where: matchesText(query) });
}
