import { type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import { invalidField } from '../../core/contracts/errors.ts';
import type { Projects } from '../../core/contracts/projects.ts';
import type { Users } from '../../core/contracts/users.ts';
import { maskedFields } from '../../core/lib/masks.ts';
import { pageSize, readToken, writeToken } from '../../core/lib/pages.ts';
import { fromTimestamp } from '../../core/lib/time.ts';
import { isUuid } from '../../core/lib/uuid.ts';
import { answerOnce } from '../../core/lib/write-once.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { type IssueDetails, IssueServiceService, type UpdateIssueRequest } from '../../proto/gen/issue/v1/issue.ts';
import type { IssuePatch, Written } from './change.ts';
import { listOptions } from './lists.ts';
import { historyEntryOf, issueOf } from './messages.ts';
import type { IssueService } from './service.ts';
import type { IssueRow } from './table.ts';

const updatable = [
  'summary',
  'description',
  'type',
  'priority',
  'status',
  'resolution',
  'assignee_id',
  'due_at',
] as const;

function patchOf(request: UpdateIssueRequest): IssuePatch {
  const fields = new Set(maskedFields(request, updatable, request.updateMask));
  // A summary, type, priority or status cannot be cleared: an absent one that the mask names is sent on as empty, and
  // is refused by name.
  const summary = request.summary ?? '';
  if (fields.has('summary') && summary.trim() === '')
    throw invalidField('summary', 'must be 1 to 200 characters, not only white space');
  return {
    ...(fields.has('summary') && { summary }),
    ...(fields.has('description') && { description: request.description ?? '' }),
    ...(fields.has('type') && { type: request.type ?? '' }),
    ...(fields.has('priority') && { priority: request.priority ?? '' }),
    ...(fields.has('status') && { status: request.status ?? '' }),
    ...(fields.has('resolution') && { resolution: request.resolution || null }),
    ...(fields.has('assignee_id') && { assignee: request.assigneeId?.toLowerCase() || null }),
    ...(fields.has('due_at') && { dueAt: fromTimestamp(request.dueAt, 'due_at') }),
  };
}

const written = ({ row, adjustments }: Written) => ({ issue: issueOf(row), adjustments: [...adjustments] });

export function issueApi(issues: IssueService, projects: Projects, users: Users, clock: Clock): ServiceContribution {
  const details = async (row: IssueRow): Promise<IssueDetails> => {
    const [project, assignee, reporter] = await Promise.all([
      projects.find(row.project_id),
      row.assignee_id === null ? undefined : users.find(row.assignee_id),
      row.reporter_id === null ? undefined : users.find(row.reporter_id),
    ]);
    return { project, assignee, reporter };
  };
  return service({
    definition: IssueServiceService,
    descriptors,
    policy: {
      createIssue: { access: 'caller', effect: 'write' },
      getIssue: { access: 'caller', effect: 'read' },
      updateIssue: { access: 'caller', effect: 'write' },
      deleteIssue: { access: 'caller', effect: 'write' },
      listIssues: { access: 'caller', effect: 'read' },
      transitionIssue: { access: 'caller', effect: 'write' },
      listAllowedTransitions: { access: 'caller', effect: 'read' },
      listIssueHistory: { access: 'caller', effect: 'read' },
    },
    handlers: {
      async createIssue(request, call) {
        const dueAt = fromTimestamp(request.dueAt, 'due_at');
        return answerOnce(call, written, (caller) => issues.create({ ...request, dueAt }, caller));
      },
      async getIssue({ id, includeDetails }) {
        const row = await issues.get(id);
        return { issue: issueOf(row), details: includeDetails ? await details(row) : undefined };
      },
      async updateIssue(request, call) {
        const patch = patchOf(request);
        return answerOnce(call, written, (caller) => issues.update(request.id, patch, request.etag, caller));
      },
      deleteIssue: ({ id, etag }, call) =>
        answerOnce(
          call,
          () => ({}),
          (caller) => issues.delete(id, etag, caller),
        ),
      async listIssues(request) {
        if (request.projectId !== '' && !(await projects.find(request.projectId.toLowerCase())))
          throw invalidField('project_id', 'must be the id of an existing project', 'PROJECT_NOT_FOUND');
        const page = await issues.list(listOptions(request, clock.now()));
        return { issues: page.rows.map(issueOf), nextPageToken: page.nextPageToken };
      },
      async transitionIssue(request, call) {
        const wish = {
          ...(request.resolution !== '' && { resolution: request.resolution }),
          ...(request.assigneeId !== '' && { assignee: request.assigneeId.toLowerCase() }),
        };
        return answerOnce(call, written, (caller) =>
          issues.transition(request.id, request.status, wish, request.etag, caller),
        );
      },
      async listAllowedTransitions({ id }) {
        const transitions = await issues.allowedTransitions(id);
        return { transitions: transitions.map((each) => ({ ...each, missing: [...each.missing] })) };
      },
      async listIssueHistory({ id, pageSize: requested, pageToken }) {
        const query = JSON.stringify(['history', isUuid(id) ? id.toLowerCase() : id.toUpperCase()]);
        const page = await issues.history(id, pageSize(requested), readToken(pageToken, query));
        return {
          entries: page.entries.map(historyEntryOf),
          nextPageToken: page.next === undefined ? '' : writeToken(page.next, query),
        };
      },
    },
  });
}
