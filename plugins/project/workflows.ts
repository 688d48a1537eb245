import { isDeepStrictEqual } from 'node:util';
import type { Caller } from '../../core/contracts/api.ts';
import { notFound } from '../../core/contracts/errors.ts';
import { type ProjectContents, projectScopes } from '../../core/contracts/projects.ts';
import type { Store } from '../../core/contracts/store.ts';
import { checkEtag } from '../../core/lib/etags.ts';
import { readMappings } from '../../core/lib/workflow-values.ts';
import { writeOnce } from '../../core/lib/write-once.ts';
import { lockProject, refuseArchived } from './locks.ts';
import type { WorkflowView } from './messages.ts';
import { projectsTable } from './tables.ts';
import { soundWorkflow, type WorkflowDraft } from './workflow-check.ts';
import { readWorkflowView, storeWorkflow } from './workflow-rows.ts';

export interface ChangedWorkflow extends WorkflowView {
  /** How many things in the project got another value with it. */
  readonly changed: number;
}

/** The workflows of projects. */
export class WorkflowService {
  readonly #store: Store;
  /** What lives in projects, and comes under their workflows; known once every plugin is set up. */
  contents: readonly ProjectContents[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  get(projectId: string): Promise<WorkflowView> {
    return this.#store.read(async (tx) => {
      const project = await tx.table(projectsTable).get(projectId.toLowerCase());
      if (!project) throw notFound('project', projectId);
      return readWorkflowView(tx, project.id);
    });
  }

  /**
   * Changes parts of a workflow, and what is in the project with it: `mappings` say what becomes of values that go. All
   * or nothing. A change that changes nothing writes nothing.
   */
  update(
    projectId: string,
    patch: Partial<WorkflowDraft>,
    mappings: Parameters<typeof readMappings>[0],
    etag: string,
    caller: Caller<ChangedWorkflow>,
  ): Promise<ChangedWorkflow> {
    return writeOnce(this.#store, caller, async (tx) => {
      const { row: project } = await lockProject(tx, projectId, 'update');
      refuseArchived(project);
      const view = await readWorkflowView(tx, project.id);
      checkEtag('workflow', projectId, etag, view);
      const before = view.workflow;
      const after = soundWorkflow({ ...before, ...patch });
      const change = { projectId: project.id, before, after, mappings: readMappings(mappings, before, after) };
      if (isDeepStrictEqual(before, after)) return { ...view, changed: 0 };
      let changed = 0;
      for (const contents of this.contents)
        changed += (await contents.changeWorkflow?.(tx, change, caller.actor.userId)) ?? 0;
      const scope = (await tx.table(projectScopes).get(project.id))!;
      return { ...(await storeWorkflow(tx, scope, after, caller.actor.userId)), changed };
    });
  }
}
