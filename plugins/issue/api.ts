import { type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import { invalidField } from '../../core/contracts/errors.ts';
import type { Projects } from '../../core/contracts/projects.ts';
import type { Users } from '../../core/contracts/users.ts';
import { refuseItemKeys } from '../../core/lib/batches.ts';
import { answerOnce } from '../../core/lib/write-once.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import { type BatchResult, type IssueDetails, IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import type { Outcome } from './batch.ts';
import type { Written } from './change.ts';
import { asksForWorkflow, historyOptions, listOptions } from './lists.ts';
import { historyEntryOf, issueOf } from './messages.ts';
import { patchOf, wishOf } from './requests.ts';
import type { IssueService } from './service.ts';
import type { IssueRow } from './table.ts';

const written = ({ row, adjustments }: Written) => ({ issue: issueOf(row), adjustments: [...adjustments] });

const batch = (outcomes: readonly Outcome[]) => ({
  results: outcomes.map((outcome): BatchResult => ({ result: resultOf(outcome) })),
  errorCount: outcomes.filter((outcome) => 'refused' in outcome).length,
});

function resultOf(outcome: Outcome): BatchResult['result'] {
  return 'refused' in outcome
    ? { $case: 'error', value: Status.decode(outcome.refused) }
    : { $case: 'written', value: written(outcome) };
}

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
      moveIssue: { access: 'caller', effect: 'write' },
      listAllowedTransitions: { access: 'caller', effect: 'read' },
      listIssueHistory: { access: 'caller', effect: 'read' },
      batchCreateIssues: { access: 'caller', effect: 'write' },
      batchUpdateIssues: { access: 'caller', effect: 'write' },
    },
    handlers: {
      async createIssue(request, call) {
        const wish = wishOf(request);
        return answerOnce(call, written, (caller) => issues.create(wish, caller));
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
        const projectId = request.projectId === '' ? undefined : request.projectId.toLowerCase();
        if (projectId !== undefined && !(await projects.find(projectId)))
          throw invalidField('project_id', 'must be the id of an existing project', 'PROJECT_NOT_FOUND');
        const page = await issues.list(asksForWorkflow(request) ? projectId : undefined, (workflow) =>
          listOptions(request, clock.now(), workflow),
        );
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
      moveIssue: ({ id: name, projectId, mappings, etag }, call) =>
        answerOnce(call, written, (caller) =>
          issues.move({ name, projectId: projectId.toLowerCase(), mappings, etag }, caller),
        ),
      async listAllowedTransitions({ id }) {
        const transitions = await issues.allowedTransitions(id);
        return { transitions: transitions.map((each) => ({ ...each, missing: [...each.missing] })) };
      },
      async listIssueHistory(request) {
        const { page, tokenOf } = historyOptions(request, clock.now());
        const { entries, next } = await issues.history(request.id, page);
        return { entries: entries.map(historyEntryOf), nextPageToken: tokenOf(next) };
      },
      async batchCreateIssues({ requests, atomic }, call) {
        refuseItemKeys(requests);
        const wishes = requests.map((request) => () => wishOf(request));
        return answerOnce(call, batch, (caller) => issues.createAll(wishes, atomic, caller));
      },
      async batchUpdateIssues({ requests, atomic }, call) {
        const updates = requests.map((request) => ({
          name: request.id,
          etag: request.etag,
          patch: () => patchOf(request),
        }));
        return answerOnce(call, batch, (caller) => issues.updateAll(updates, atomic, caller));
      },
    },
  });
}
