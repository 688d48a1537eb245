import { invalidField } from '../../core/contracts/errors.ts';
import type { Workflow } from '../../core/contracts/projects.ts';
import { and, eq, matchesText, type Where } from '../../core/contracts/query.ts';
import { type FilterFields, parseFilter } from '../../core/lib/filter.ts';
import { type ListRequest, listRequest } from '../../core/lib/list.ts';
import { parseOrder } from '../../core/lib/order.ts';
import { pageSize, readToken, writeToken } from '../../core/lib/pages.ts';
import { isUuid } from '../../core/lib/uuid.ts';
import type { ListIssueHistoryRequest, ListIssuesRequest } from '../../proto/gen/issue/v1/issue.ts';

const equality = ['=', '!=', ':'];
const fields: FilterFields = {
  id: { column: 'id', type: 'uuid' },
  project_id: { column: 'project_id', type: 'uuid' },
  key: { column: 'key', type: 'text', operators: equality },
  number: { column: 'number', type: 'int64' },
  summary: { column: 'summary', type: 'text' },
  description: { column: 'description', type: 'text', operators: equality },
  type: { column: 'type', type: 'text', operators: equality },
  priority: { column: 'priority', type: 'text', operators: equality },
  status: { column: 'status', type: 'text', operators: equality },
  resolution: { column: 'resolution', type: 'text', nullable: true, operators: equality },
  assignee_id: { column: 'assignee_id', type: 'uuid', nullable: true },
  reporter_id: { column: 'reporter_id', type: 'uuid', nullable: true },
  due_at: { column: 'due_at', type: 'timestamp', nullable: true },
  created_at: { column: 'created_at', type: 'timestamp' },
  updated_at: { column: 'updated_at', type: 'timestamp' },
};

/** Within a project the workflow says which values there are, and which category a status has. */
function fieldsOf(workflow: Workflow): FilterFields {
  const { statuses } = workflow;
  const inCategory = (category: string) =>
    statuses.filter((each) => each.category === category).map(({ name }) => name);
  return {
    ...fields,
    type: { ...fields['type']!, values: workflow.types },
    priority: { ...fields['priority']!, values: workflow.priorities },
    status: { ...fields['status']!, values: statuses.map(({ name }) => name) },
    resolution: { ...fields['resolution']!, values: workflow.resolutions },
    category: {
      column: 'status',
      type: 'text',
      values: ['OPEN', 'ACTIVE', 'DONE'],
      anyOf: inCategory,
      operators: equality,
    },
  };
}

const historyFields: FilterFields = {
  time: { column: 'time', type: 'timestamp' },
  actor_id: { column: 'actor', type: 'text', nullable: true, operators: equality },
  kind: { column: 'kind', type: 'text', values: ['CREATED', 'UPDATED', 'DELETED'], operators: equality },
  revision: { column: 'revision', type: 'int64' },
};

const orders = {
  created_at: ['created_at'],
  updated_at: ['updated_at'],
  due_at: ['due_at'],
  priority: ['priority_rank', 'created_at'],
};

const isByPriority = ({ orderBy }: ListIssuesRequest): boolean => /^\s*priority\b/.test(orderBy);

/** Whether the workflow of the request's project, if it names one, means anything for the list. */
export function asksForWorkflow(request: ListIssuesRequest): boolean {
  return request.filter !== '' || isByPriority(request);
}

/**
 * What a ListIssues request asks of the service; `workflow` is that of its project, where it names one. `now`:
 * microseconds, what relative times in the filter count from.
 */
export function listOptions(request: ListIssuesRequest, now: number, workflow: Workflow | undefined): ListRequest {
  const projectId = request.projectId.toLowerCase();
  const conditions: Where[] = [];
  if (projectId !== '') conditions.push(eq('project_id', projectId));
  if (request.search !== '') {
    if (request.search.trim() === '') throw invalidField('search', 'must hold a word');
    conditions.push(matchesText(request.search));
  }
  return listRequest(request, {
    // A token of a list by priority is good for the ranks that it was made with.
    name: isByPriority(request) && workflow ? ['issues', ...workflow.priorities].join('/') : 'issues',
    fields: workflow ? fieldsOf(workflow) : fields,
    // A number means something only within a project, and only there an index orders by it.
    orders: projectId === '' ? orders : { ...orders, number: ['number'] },
    where: conditions.length > 0 ? and(...conditions) : undefined,
    now,
  });
}

/** What a ListIssueHistory request asks of the log, and how the token of the next page is written. */
export function historyOptions({ id, ...request }: ListIssueHistoryRequest, now: number) {
  const where = parseFilter(request.filter, historyFields, { now });
  const { descending = false } = parseOrder(request.orderBy, { time: ['time'] }, { columns: ['time'] });
  const name = isUuid(id) ? id.toLowerCase() : id.toUpperCase();
  const query = JSON.stringify(['history', name, request.orderBy, request.filter]);
  const after = readToken(request.pageToken, query);
  return {
    page: {
      limit: pageSize(request.pageSize),
      descending,
      ...(where && { where }),
      ...(after !== undefined && { after }),
    },
    tokenOf: (next: string | undefined) => (next === undefined ? '' : writeToken(next, query)),
  };
}
