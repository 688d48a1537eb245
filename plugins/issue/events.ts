import { projectScopes } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Json } from '../../core/contracts/tables.ts';
import { emitChange } from '../../core/lib/changes.ts';
import { formatRfc3339 } from '../../core/lib/time.ts';
import { historyFields, type IssueRow } from './table.ts';

/** Records a change of an issue in its project. One of the rows is there. */
export function emitIssue(
  tx: WriteTransaction,
  before: IssueRow | undefined,
  after: IssueRow | undefined,
  actor: string | null,
): Promise<void> {
  const { id, project_id } = (after ?? before)!;
  return emitChange(tx, {
    scope: [projectScopes, project_id],
    entity: 'issue',
    entityId: id,
    fields: historyFields,
    before,
    after,
    actor,
    show,
  });
}

function show(field: string, value: Json): Json {
  return field === 'due_at' && typeof value === 'number' ? formatRfc3339(value) : value;
}
