import type { FieldChange } from '../contracts/log.ts';
import type { Json } from '../contracts/tables.ts';

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
    if (from !== to && !absent) changes.push({ field, from, to });
  }
  return changes;
}
