import type { Cache } from '../contracts/cache.ts';
import type { Change, ChangeLog } from '../contracts/log.ts';

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

/**
 * Forgets what the log says that anybody changed, and everything where events were deleted before this instance had read
 * them: nobody can say any more what they were about. Returns the end.
 */
export function invalidateFollowed(cache: Cache, log: Pick<ChangeLog, 'follow' | 'followed'>): () => void {
  let seen = log.followed();
  return log.follow((changes: readonly Change[]) => {
    // An error of the backend is counted, and the backend shows nothing of what it was to delete.
    if (seen !== undefined && changes[0]!.seq > seen + 1) cache.clear().catch(() => {});
    seen = changes.at(-1)!.seq;
    invalidateChanged(cache, changes);
  });
}
