import { isDeepStrictEqual } from 'node:util';
import type { FieldChange } from '../contracts/log.ts';
import { countsOf, type ProjectScope, projectScopes } from '../contracts/projects.ts';
import type { Key, WriteTransaction } from '../contracts/store.ts';
import type { AnyTable, Json } from '../contracts/tables.ts';

type Values = Readonly<Record<string, Json>>;

/**
 * What differs between two rows in the named fields, in their order. Without a row before (it was created) or after
 * (it was deleted) its side is null, and fields without a value are left out.
 */
export function changesBetween(
  fields: readonly string[],
  before: Values | undefined,
  after: Values | undefined,
): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  for (const field of fields) {
    const from = before?.[field] ?? null;
    const to = after?.[field] ?? null;
    const absent = !(before && after) && (from === null || from === '') && (to === null || to === '');
    if (!absent && !isDeepStrictEqual(from, to)) changes.push({ field, from, to });
  }
  return changes;
}

export interface RowChange {
  /** The row that counts the change, see log.ts. */
  readonly scope: readonly [table: AnyTable, key: Key];
  readonly entity: string;
  /** Absent: the row's `id`. */
  readonly entityId?: string;
  /** The fields that history records. */
  readonly fields: readonly string[];
  /** Absent: it was created. */
  readonly before: Values | undefined;
  /** Absent: it was deleted. */
  readonly after: Values | undefined;
  /** A user's id, or null. */
  readonly actor: string | null;
  /** See ChangeEvent. */
  readonly context?: Json;
  /** See ChangeEvent. */
  readonly history?: false;
  /** How a value is shown in history, where not as it is stored. */
  readonly show?: (field: string, value: Json) => Json;
}

/** Records the change of one row in the transaction that makes it. Returns the scope's revision. */
export function emitChange(tx: WriteTransaction, change: RowChange): Promise<{ readonly revision: number }> {
  const { entity, fields, before, after, actor, context = null, history, show } = change;
  const { entityId = String((after ?? before)?.['id']) } = change;
  const changes = changesBetween(fields, before, after);
  return tx.emit(...change.scope, {
    entity,
    entityId,
    kind: before ? (after ? 'UPDATED' : 'DELETED') : 'CREATED',
    actor,
    changes: show
      ? changes.map(({ field, from, to }) => ({ field, from: show(field, from), to: show(field, to) }))
      : changes,
    after: after ?? null,
    context,
    ...(history === false && { history }),
  });
}

/** Records the change of one row of a project, whose scope is locked and has the counts as they are after it. */
export function emitInProject(
  tx: WriteTransaction,
  scope: ProjectScope,
  change: Omit<RowChange, 'scope' | 'context' | 'actor'>,
  actor: string | null,
): Promise<{ readonly revision: number }> {
  return emitChange(tx, { ...change, scope: [projectScopes, scope.id], context: countsOf(scope), actor });
}
