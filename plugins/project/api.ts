import { type Call, type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Clock } from '../../core/contracts/clock.ts';
import { invalidField } from '../../core/contracts/errors.ts';
import { camelCase, maskedFields } from '../../core/lib/masks.ts';
import { answerOnce } from '../../core/lib/write-once.ts';
import { descriptors } from '../../proto/descriptors.ts';
import {
  ProjectServiceService,
  type StreamProjectUpdatesRequest,
  type UpdateWorkflowRequest,
} from '../../proto/gen/project/v1/project.ts';
import { memberList, projectList } from './lists.ts';
import type { MemberService } from './members.ts';
import { memberOf, type ProjectView, projectOf, workflowOf } from './messages.ts';
import type { ProjectService } from './service.ts';
import type { MemberRow } from './tables.ts';
import type { WorkflowDraft } from './workflow-check.ts';
import type { ChangedWorkflow, WorkflowService } from './workflows.ts';

/** Messages of the stream come encoded: each is one for all who get it. */
const definition = {
  ...ProjectServiceService,
  streamProjectUpdates: {
    ...ProjectServiceService.streamProjectUpdates,
    responseSerialize: (bytes: Uint8Array) => bytes as Buffer,
  },
};

const projectAnswer = (view: ProjectView) => ({ project: projectOf(view) });
const memberAnswer = (row: MemberRow) => ({ member: memberOf(row) });
const nothing = () => ({});

const workflowAnswer = (view: ChangedWorkflow) => ({ workflow: workflowOf(view), changedIssues: view.changed });

/** In the order of the proto file. */
const workflowParts = [
  'types',
  'priorities',
  'default_priority',
  'statuses',
  'initial_status',
  'resolutions',
  'transitions',
  'assigned_status',
  'unassigned_status',
] as const;

/** What the request changes of the workflow. Over gRPC a list cannot say that it is present, unless something is in it. */
function workflowPatch(request: UpdateWorkflowRequest): Partial<WorkflowDraft> {
  const { types, priorities, resolutions } = request;
  const parts = {
    types,
    priorities,
    defaultPriority: request.defaultPriority,
    statuses: request.statuses.map(({ name, category, guards }) => ({ name, category, guards })),
    initialStatus: request.initialStatus,
    resolutions,
    transitions: request.transitions.map(({ from, to }) => ({ from, to })),
    assignedStatus: request.assignedStatus,
    unassignedStatus: request.unassignedStatus,
  };
  const present = Object.entries(parts).filter(([, value]) => value !== undefined && value.length > 0);
  // The gateway names all that is in a body, also what is no part of the workflow. Where that is all that is named, no
  // part is, and not, as with an empty mask, whatever is present.
  const mask = request.updateMask?.filter((path) => path !== 'mappings');
  const namesNone = mask?.length === 0 && request.updateMask?.length !== 0;
  const named = namesNone ? [] : maskedFields(Object.fromEntries(present), workflowParts, mask).map(camelCase);
  return Object.fromEntries(named.map((part) => [part, parts[part as keyof typeof parts] ?? '']));
}

export function projectApi(
  projects: ProjectService,
  members: MemberService,
  workflows: WorkflowService,
  updates: (request: StreamProjectUpdatesRequest, call: Call) => AsyncIterable<Uint8Array>,
  clock: Clock,
): ServiceContribution {
  return service({
    definition,
    descriptors,
    policy: {
      createProject: { access: 'caller', effect: 'write' },
      getProject: { access: 'caller', effect: 'read' },
      updateProject: { access: 'caller', effect: 'write' },
      deleteProject: { access: 'caller', effect: 'write' },
      listProjects: { access: 'caller', effect: 'read' },
      archiveProject: { access: 'caller', effect: 'write' },
      unarchiveProject: { access: 'caller', effect: 'write' },
      addProjectMember: { access: 'caller', effect: 'write' },
      updateProjectMember: { access: 'caller', effect: 'write' },
      removeProjectMember: { access: 'caller', effect: 'write' },
      listProjectMembers: { access: 'caller', effect: 'read' },
      getWorkflow: { access: 'caller', effect: 'read' },
      updateWorkflow: { access: 'caller', effect: 'write' },
      streamProjectUpdates: { access: 'caller', effect: 'read' },
    },
    handlers: {
      createProject: (request, call) => answerOnce(call, projectAnswer, (caller) => projects.create(request, caller)),
      async getProject({ id }) {
        return projectAnswer(await projects.get(id));
      },
      async updateProject(request, call) {
        const fields = maskedFields(request, ['name', 'description'], request.updateMask);
        const patch = Object.fromEntries(fields.map((field) => [field, request[field] ?? '']));
        return answerOnce(call, projectAnswer, (caller) => projects.update(request.id, patch, request.etag, caller));
      },
      deleteProject: ({ id, etag, force }, call) =>
        answerOnce(call, nothing, (caller) => projects.delete(id, etag, force, caller)),
      async listProjects(request) {
        const page = await projects.list(projectList(request, clock.now()));
        return { projects: page.projects.map(projectOf), nextPageToken: page.nextPageToken };
      },
      archiveProject: ({ id, etag }, call) =>
        answerOnce(call, projectAnswer, (caller) => projects.update(id, { archived: true }, etag, caller)),
      unarchiveProject: ({ id, etag }, call) =>
        answerOnce(call, projectAnswer, (caller) => projects.update(id, { archived: false }, etag, caller)),
      addProjectMember: ({ projectId, userId, role }, call) =>
        answerOnce(call, memberAnswer, (caller) => members.add(projectId, userId, role, caller)),
      async updateProjectMember(request, call) {
        const { projectId, userId, etag } = request;
        const masked = maskedFields(request, ['role'], request.updateMask).length > 0;
        const role = masked ? request.role : undefined;
        if (masked && role === undefined) throw invalidField('role', 'must be OWNER, MEMBER or VIEWER');
        return answerOnce(call, memberAnswer, (caller) => members.update(projectId, userId, role, etag, caller));
      },
      removeProjectMember: ({ projectId, userId, etag }, call) =>
        answerOnce(call, nothing, (caller) => members.remove(projectId, userId, etag, caller)),
      async listProjectMembers(request) {
        const page = await members.list(request.projectId, memberList(request, clock.now()));
        return { members: page.rows.map(memberOf), nextPageToken: page.nextPageToken };
      },
      async getWorkflow({ projectId }) {
        return { workflow: workflowOf(await workflows.get(projectId)) };
      },
      async updateWorkflow(request, call) {
        const { projectId, mappings, etag } = request;
        const patch = workflowPatch(request);
        return answerOnce(call, workflowAnswer, (caller) => workflows.update(projectId, patch, mappings, etag, caller));
      },
      streamProjectUpdates: updates,
    },
  });
}
