import { failedPrecondition, notFound } from '../../core/contracts/errors.ts';
import { projectScopes } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { ProjectView } from './messages.ts';
import { type ProjectRow, projectsTable } from './tables.ts';

/** 'update' to change the project itself or what is its own, 'share' to change what is in it. */
type Mode = 'update' | 'share';

/** Locks a project's scope as 'update', then its row; undefined when there is none. */
export async function lockIfAny(tx: WriteTransaction, projectId: string, mode: Mode): Promise<ProjectView | undefined> {
  const id = projectId.toLowerCase();
  // Asked for together, which a store elsewhere answers together.
  const [scope, row] = await Promise.all([
    tx.table(projectScopes).lock(id, 'update'),
    tx.table(projectsTable).lock(id, mode),
  ]);
  return scope && row && { row, scope };
}

/** As lockIfAny; NOT_FOUND when there is none. */
export async function lockProject(tx: WriteTransaction, projectId: string, mode: Mode): Promise<ProjectView> {
  const locked = await lockIfAny(tx, projectId, mode);
  if (!locked) throw notFound('project', projectId);
  return locked;
}

export function refuseArchived({ key, archived }: ProjectRow): void {
  if (archived)
    throw failedPrecondition('PROJECT_ARCHIVED', `project ${key} is archived: unarchive it to change what is in it`);
}
