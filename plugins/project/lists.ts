import { eq } from '../../core/contracts/query.ts';
import type { FilterFields } from '../../core/lib/filter.ts';
import { type ListFields, type ListRequest, listRequest } from '../../core/lib/list.ts';
import type { ListProjectMembersRequest } from '../../proto/gen/project/v1/project.ts';

const projectFields: FilterFields = {
  id: { column: 'id', type: 'uuid' },
  key: { column: 'key', type: 'text' },
  name: { column: 'name', type: 'text' },
  description: { column: 'description', type: 'text', operators: ['=', '!=', ':'] },
  archived: { column: 'archived', type: 'bool' },
  created_at: { column: 'created_at', type: 'timestamp' },
  updated_at: { column: 'updated_at', type: 'timestamp' },
};
const projectOrders = { created_at: ['created_at'], key: ['key'], name: ['name'] };

const memberFields: FilterFields = {
  user_id: { column: 'user_id', type: 'uuid' },
  role: { column: 'role', type: 'text', values: ['OWNER', 'MEMBER', 'VIEWER'] },
  created_at: { column: 'created_at', type: 'timestamp' },
};
const memberOrders = { created_at: ['created_at'] };

/** What a ListProjects request asks of the service. `now`: microseconds, what relative times count from. */
export function projectList(request: ListFields, now: number): ListRequest {
  return listRequest(request, { name: 'projects', fields: projectFields, orders: projectOrders, now });
}

/** What a ListProjectMembers request asks of the service: those of its project. `now` as above. */
export function memberList(request: ListProjectMembersRequest, now: number): ListRequest {
  const where = eq('project_id', request.projectId.toLowerCase());
  return listRequest(request, { name: 'members', fields: memberFields, orders: memberOrders, where, now });
}
