import type { Issue } from '../../proto/gen/issue/v1/issue.ts';
import { point, token } from '../kernel/plugin.ts';
import type { ProjectScope } from './projects.ts';
import type { WriteTransaction } from './store.ts';

/** What other services need to know of issues. */
export interface Issues {
  /** The issue as issuepb shows it, by id or key; undefined when there is none. Not for guards. */
  find(idOrKey: string): Promise<Issue | undefined>;
  /**
   * Begins a change of something that belongs to an issue: locks the project's scope as 'update', then the issue as
   * 'share'. The issue is named by id or key; its id is returned. INVALID_ARGUMENT that names the request's field when there
   * is no such issue; FAILED_PRECONDITION PROJECT_ARCHIVED. Call it before any other lock; record the change
   * with `emitInProject`.
   */
  beginChange(
    tx: WriteTransaction,
    idOrKey: string,
    field: string,
  ): Promise<{ readonly issueId: string; readonly scope: ProjectScope }>;
}

export const issues = token<Issues>('issues');

/** Something that belongs to issues and goes with them, also to another project: their ids stay, their keys may not. */
export interface IssueContents {
  /** In words, plural: 'notes'. */
  readonly name: string;
  /** Deletes what belongs to the issue, each with its event; the project's scope is locked. Before the issue itself. */
  deleteAll(tx: WriteTransaction, issueId: string, scope: ProjectScope, actor: string | null): Promise<void>;
}

export const issueContents = point<IssueContents>('issues.contents');
