import type { Any } from '../../proto/gen/google/protobuf/any.ts';
import type { Project } from '../../proto/gen/project/v1/project.ts';
import { point, token } from '../kernel/plugin.ts';
import type { Change } from './log.ts';
import type { ReadTransaction, WriteTransaction } from './store.ts';
import { defineTable, int64, type Json, type Row, text, uuid } from './tables.ts';

/**
 * A project's scope: what every mutation inside the project locks and counts in. A table of its own, so that an
 * issue's write changes neither the project's etag nor its cached row. It outlives the project, whose key stays
 * reserved.
 */
export const projectScopes = defineTable({
  name: 'project_scopes',
  columns: {
    /** The project's id. */
    id: uuid(),
    key: text({ maxLength: 10 }),
    revision: int64(),
    /** The number of the newest issue, deleted ones included. */
    last_number: int64(),
    issue_count: int64(),
    open_issue_count: int64(),
  },
  primaryKey: ['id'],
  unique: { project_key: ['key'] },
  revision: 'revision',
});

export type ProjectScope = Row<typeof projectScopes>;

/** What an event inside a project says of the project: its counts after the change. */
export function countsOf({ issue_count, open_issue_count }: ProjectScope): Json {
  return { issue_count, open_issue_count };
}

/** What countsOf has put into an event's context; zeros where the event is not inside a project. */
export function countsIn(context: Json): { readonly issueCount: number; readonly openIssueCount: number } {
  const counts = context as { readonly issue_count?: number; readonly open_issue_count?: number } | null;
  return { issueCount: counts?.issue_count ?? 0, openIssueCount: counts?.open_issue_count ?? 0 };
}

export type StatusCategory = 'OPEN' | 'ACTIVE' | 'DONE';
export type Guard = 'ASSIGNEE' | 'RESOLUTION';

/** The values that a project's issues may have, and the ways between its statuses. */
export interface Workflow {
  readonly types: readonly string[];
  /** Most urgent first. */
  readonly priorities: readonly string[];
  readonly defaultPriority: string;
  readonly statuses: readonly {
    readonly name: string;
    readonly category: StatusCategory;
    readonly guards: readonly Guard[];
  }[];
  readonly initialStatus: string;
  readonly resolutions: readonly string[];
  readonly transitions: readonly { readonly from: string; readonly to: readonly string[] }[];
  /** Where an issue in the category OPEN goes when somebody is assigned to it. */
  readonly assignedStatus: string;
  /** Where an issue goes that loses its assignee in a status that needs one. */
  readonly unassignedStatus: string;
}

/** What a workflow has values for. */
export type WorkflowField = 'type' | 'priority' | 'status' | 'resolution';

/** What becomes of a value that the workflow after lacks. */
export interface ValueMapping {
  readonly field: WorkflowField;
  readonly from: string;
  readonly to: string;
}

/** A project's workflow and the one that takes its place, which is sound, with mappings that fit the two. */
export interface WorkflowChange {
  readonly projectId: string;
  readonly before: Workflow;
  readonly after: Workflow;
  readonly mappings: readonly ValueMapping[];
}

/** What other services need to know of projects. */
export interface Projects {
  /** The project as projectpb shows it, or undefined. Not for guards. */
  find(id: string): Promise<Project | undefined>;
  workflow(tx: ReadTransaction, projectId: string): Promise<Workflow>;
  /**
   * Begins a change of something inside a project: locks its scope as 'update', then its row as 'share', and returns
   * the scope. INVALID_ARGUMENT that names the request's field when there is no such project; FAILED_PRECONDITION
   * PROJECT_ARCHIVED when it is archived. Call it before any other lock; for several projects in ascending order
   * of their ids.
   */
  beginChange(tx: WriteTransaction, projectId: string, field: string): Promise<ProjectScope>;
}

export const projects = token<Projects>('projects');

/** Something that lives in projects and goes with them. */
export interface ProjectContents {
  /** In words, plural: 'issues'. */
  readonly name: string;
  /** A project that holds some is not deleted without force. */
  count(tx: WriteTransaction, projectId: string): Promise<number>;
  /**
   * Deletes them all, each with its event; the project's scope is locked. Different contents are deleted in no
   * particular order: do not read those of others.
   */
  deleteAll(tx: WriteTransaction, projectId: string, actor: string | null): Promise<void>;
  /**
   * Brings them under another workflow, each change with its event, and the project's counts with them; the project's
   * scope is locked, and the workflow's own event follows. Returns how many were changed. FAILED_PRECONDITION
   * WORKFLOW_VALUE_IN_USE when some have a value that goes and that no mapping names, WORKFLOW_GUARD when some would
   * lack what their status needs, WORKFLOW_CHANGE_TOO_LARGE, before any write, when they are too many for one
   * transaction. Absent: nothing of a workflow is in them.
   */
  changeWorkflow?(tx: WriteTransaction, change: WorkflowChange, actor: string | null): Promise<number>;
}

export const projectContents = point<ProjectContents>('projects.contents');

/** How something is shown to those who are told that it changed: in StreamProjectUpdates, and outside of the tracker. */
export interface ProjectEntity {
  /** As its events name it: 'issue'. */
  readonly entity: string;
  /** The full name of its message: 'issuepb.Issue'. */
  readonly message: string;
  /** That message's bytes, of what the event says is `after` the change. */
  encode(after: NonNullable<Json>): Uint8Array;
}

export const projectEntities = point<ProjectEntity>('projects.entities');

/** What was contributed to projectEntities, and what projects are made of. */
export interface ChangedEntities {
  /** What changed, as it is after the change. Undefined when it was deleted, and where nobody has said how it is shown. */
  shown(change: Change): Any | undefined;
}

export const changedEntities = token<ChangedEntities>('projects.changed');
