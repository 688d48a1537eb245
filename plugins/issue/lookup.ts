import { type DomainError, isDomainError } from '../../core/contracts/errors.ts';
import type { ProjectScope, Projects } from '../../core/contracts/projects.ts';
import { eq } from '../../core/contracts/query.ts';
import { type ReadTransaction, Restart, type WriteTransaction } from '../../core/contracts/store.ts';
import type { IssueId } from './ids.ts';
import { formerKeysTable, type IssueRow, issuesTable } from './table.ts';

/** The issue of this id, or of this key, now or formerly. */
export async function findIssue(tx: ReadTransaction, by: IssueId): Promise<IssueRow | undefined> {
  if ('id' in by) return tx.table(issuesTable).get(by.id);
  const row = await findByKey(tx, by.key);
  if (row) return row;
  const id = await idOfFormerKey(tx, by.key);
  return id === undefined ? undefined : tx.table(issuesTable).get(id);
}

/** Also of an issue that was deleted. */
export async function idOfKey(tx: ReadTransaction, key: string): Promise<string | undefined> {
  return (await findByKey(tx, key))?.id ?? idOfFormerKey(tx, key);
}

async function findByKey(tx: ReadTransaction, key: string): Promise<IssueRow | undefined> {
  return (await tx.table(issuesTable).find({ where: eq('key', key), limit: 1 })).rows[0];
}

async function idOfFormerKey(tx: ReadTransaction, key: string): Promise<string | undefined> {
  return (await tx.table(formerKeysTable).get(key))?.issue_id;
}

/** The second of three: locks the project in which an issue was found. FAILED_PRECONDITION when it is archived. */
export async function lockProjectOf(tx: WriteTransaction, projects: Projects, found: IssueRow): Promise<ProjectScope> {
  try {
    return await projects.beginChange(tx, found.project_id, 'id');
  } catch (error) {
    throw orRestart(error);
  }
}

/**
 * What an error of locking the project in which an issue was found comes to. Where the project is gone, the issue went
 * with it or was moved away before, and is to be looked up again.
 */
export function orRestart(error: unknown): unknown {
  return isDomainError(error) && error.reason === 'PROJECT_NOT_FOUND'
    ? new Restart('the project in which the issue was found was deleted meanwhile')
    : error;
}

/** The last of three: locks the issue that was found, in its project, which is locked. */
export async function lockFound(
  tx: WriteTransaction,
  found: IssueRow,
  mode: 'update' | 'share',
  missing: () => DomainError,
): Promise<IssueRow> {
  const row = await tx.table(issuesTable).lock(found.id, mode);
  if (!row) throw missing();
  if (row.project_id !== found.project_id) throw new Restart('the issue was moved to another project meanwhile');
  return row;
}
