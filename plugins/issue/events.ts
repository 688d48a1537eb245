import { projectScopes } from '../../core/contracts/projects.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Json } from '../../core/contracts/tables.ts';
import { changesBetween } from '../../core/lib/changes.ts';
import { formatRfc3339 } from '../../core/lib/time.ts';
import { historyFields, type IssueRow } from './table.ts';

/** Records a change of an issue in its project. */
export async function emitIssue(
  tx: WriteTransaction,
  before: IssueRow | undefined,
  after: IssueRow | undefined,
  actor: string | null,
): Promise<void> {
  const row = after ?? before;
  if (!row) throw new TypeError('a change has a row before it or after it');
  const changes = changesBetween(historyFields, before, after);
  await tx.emit(projectScopes, row.project_id, {
    entity: 'issue',
    entityId: row.id,
    kind: before ? (after ? 'UPDATED' : 'DELETED') : 'CREATED',
    actor,
    changes: changes.map((change) =>
      change.field === 'due_at' ? { ...change, from: shown(change.from), to: shown(change.to) } : change,
    ),
    after: after ?? null,
  });
}

function shown(micros: Json): Json {
  return typeof micros === 'number' ? formatRfc3339(micros) : micros;
}
