import type { Change } from '../../../core/contracts/log.ts';
import type { ProjectEntity, ProjectScope, Workflow } from '../../../core/contracts/projects.ts';
import type { Json } from '../../../core/contracts/tables.ts';
import type { Contribution } from '../../../core/kernel/index.ts';
import { camelCase } from '../../../core/lib/masks.ts';
import { Project, ProjectMember, Workflow as WorkflowMessage } from '../../../proto/gen/project/v1/project.ts';
import { memberOf, projectOf, workflowOf } from '../messages.ts';
import type { MemberRow, ProjectRow } from '../tables.ts';

interface ShownEntity {
  /** The full name of its message. */
  readonly message: string;
  encode(after: NonNullable<Json>, change: Change): Uint8Array;
}

/** What is shown of the entities in projects after a change of them, by their name in events. */
export type Entities = ReadonlyMap<string, ShownEntity>;

const own: readonly (readonly [string, ShownEntity])[] = [
  [
    'project',
    {
      message: 'projectpb.Project',
      encode(after, { revision, context }) {
        const scope = { ...(context as object), revision } as ProjectScope;
        return Project.encode(projectOf({ row: after as unknown as ProjectRow, scope })).finish();
      },
    },
  ],
  [
    'project_member',
    {
      message: 'projectpb.ProjectMember',
      encode: (after) => ProjectMember.encode(memberOf(after as unknown as MemberRow)).finish(),
    },
  ],
  [
    'workflow',
    {
      message: 'projectpb.Workflow',
      encode(after, { entityId: projectId }) {
        const { version, ...parts } = after as { readonly version: number } & Readonly<Record<string, Json>>;
        const workflow = Object.fromEntries(Object.entries(parts).map(([name, value]) => [camelCase(name), value]));
        return WorkflowMessage.encode(
          workflowOf({ projectId, version, workflow: workflow as unknown as Workflow }),
        ).finish();
      },
    },
  ],
];

/** With those of the other plugins. Throws an Error where two show the same. */
export function shownEntities(contributed: readonly Contribution<ProjectEntity>[]): Entities {
  const entities = new Map<string, ShownEntity>(own);
  for (const { plugin, value } of contributed) {
    if (entities.has(value.entity)) throw new Error(`plugin '${plugin}': '${value.entity}' is shown already`);
    entities.set(value.entity, value);
  }
  return entities;
}
