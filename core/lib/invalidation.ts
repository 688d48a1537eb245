import type { Cache } from '../contracts/cache.ts';

/**
 * Forgets what the changes are about: a cached row's namespace is the entity's name in the change log, its key the
 * entity's id. Does not wait; for callers of this instance the rows are gone at once.
 */
export function invalidateChanged(
  cache: Cache,
  changes: readonly { readonly entity: string; readonly entityId: string }[],
): void {
  const ids = Map.groupBy(changes, (change) => change.entity);
  // It never rejects: an error of the backend is counted.
  for (const [entity, all] of ids) void cache.invalidate(entity, [...new Set(all.map((change) => change.entityId))]);
}
