import { cache } from '../../core/contracts/cache.ts';
import { store } from '../../core/contracts/store.ts';
import { usersTable } from '../../plugins/user/table.ts';
import { findPostgres } from '../support/services/postgres.ts';
import { findRedis } from '../support/services/redis.ts';
import { freshStore, STORES, type StoreName } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import { median, steadyRate } from './timing.ts';

/** More than are asked for at a time: those who ask for one at the same time share an answer. */
const USERS = 100;

/** A row by its id: read from each storage, and found in each cache. In the tracker's process, without a server between. */
export async function cacheHits({ quick }: BenchOptions): Promise<Section> {
  const count = quick ? 300 : 3000;
  const rows: Row[] = [];
  const measure = async (name: string, work: (n: number) => Promise<unknown>) => {
    rows.push({ name: `${name}, one at a time`, value: (await median(count, work)) * 1000, unit: 'us' });
    rows.push({ name: `${name}, 64 at a time`, value: await steadyRate(count * 3, 64, work), unit: '/s' });
  };
  for (const kind of await storesHere())
    await withUsers(kind, {}, async (tracker, ids) => {
      const rowsOf = tracker.service(store);
      await measure(`${kind}: read`, (n) => rowsOf.read((tx) => tx.table(usersTable).get(ids[n % USERS]!)));
    });
  const redis = await (await findRedis())?.database();
  for (const variables of [{ CACHE_TYPE: 'memory' }, ...(redis ? [{ CACHE_TYPE: 'redis', ...redis }] : [])])
    await withUsers('memdb', variables, async (tracker, ids) => {
      const near = tracker.service(cache);
      const through = (id: string) =>
        near.through('user', id, () => tracker.service(store).read((tx) => tx.table(usersTable).get(id)));
      for (const id of ids)
        for (const { hits } = near.counts(); near.counts().hits === hits; ) {
          await through(id);
          // It is kept only after that.
          await new Promise(setImmediate);
        }
      const before = near.counts().misses;
      await measure(`cache-${near.kind}: hit`, (n) => through(ids[n % USERS]!));
      const missed = near.counts().misses - before;
      if (missed > 0) throw new Error(`${missed} of the reads were no hits`);
    });
  return { title: 'A row by its id, from storages and caches', rows, ...(!redis && { missing: 'Redis' }) };
}

async function storesHere(): Promise<readonly StoreName[]> {
  const server = await findPostgres();
  return STORES.filter((kind) => kind !== 'postgres' || server);
}

async function withUsers(
  kind: StoreName,
  variables: Readonly<Record<string, string>>,
  work: (tracker: Tracker, ids: readonly string[]) => Promise<void>,
): Promise<void> {
  const fresh = await freshStore(kind);
  const tracker = await startTracker({ ...fresh.variables, ...variables });
  const ids: string[] = [];
  for (let n = 0; n < USERS; n++) {
    const { body } = await tracker.http('POST', '/v1/users', { name: 'Ada Lovelace', email: `ada-${n}@example.com` });
    ids.push(body.user.id);
  }
  await work(tracker, ids);
  await tracker.stop();
  await fresh.remove();
}
