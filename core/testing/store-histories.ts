import assert from 'node:assert/strict';
import type { SeedRandom } from '../contracts/seed.ts';
import type { Store } from '../contracts/store.ts';
import { seededRandom } from '../lib/random.ts';
import { accounts, event, fixtureTables, insertAccount, times } from './store/fixtures.ts';
import { checkHistory, type Recorded } from './store/history.ts';
import type { StoreConformance } from './store-conformance.ts';
import type { TestRunner } from './suite.ts';

const RUNS = 'STORE_HISTORY_RUNS';
const SEED = 'STORE_HISTORY_SEED';

const ROWS = 5;
const WRITERS = 8;
const WRITES = 12;
const READERS = 3;

class RolledBack extends Error {}

/**
 * Many writers and readers at once, and an order looked for in which one after the other would have seen the same. The
 * number of histories is that of the variable STORE_HISTORY_RUNS, else `runs` (default 4); a failure prints its seed, which
 * STORE_HISTORY_SEED repeats as far as the store takes the same turns.
 */
export function storeHistories(
  runner: TestRunner,
  { name, open, runs = 4 }: StoreConformance & { readonly runs?: number },
): void {
  const seed = process.env[SEED] ?? String(Math.floor(Math.random() * 2 ** 32));
  runner.describe(`store '${name}' and histories of many at once`, () => {
    for (const run of times(Number(process.env[RUNS] ?? runs), (i) => i + 1))
      runner.it(`are as if one came after the other (${run})`, async () => {
        const { store, close } = await open(fixtureTables);
        try {
          const { history, final } = await record(store, `${seed}/${run}`);
          checkHistory(history, final);
        } catch (error) {
          console.error(`${SEED}=${seed}`);
          throw error;
        } finally {
          await close();
        }
      });
  });
}

async function record(store: Store, seed: string) {
  const random = seededRandom(seed);
  const rows: string[] = [];
  for (let i = 0; i < ROWS; i += 1) rows.push(await insertAccount(store));
  rows.sort();
  const history: Recorded[] = [];
  let names = 0;
  let clock = 0;
  const run = async (work: (name: number) => Promise<Omit<Recorded, 'name' | 'began' | 'ended'>>) => {
    const name = ++names;
    const began = ++clock;
    const seen = await work(name);
    history.push({ ...seen, name, began, ended: ++clock });
  };
  let writing = WRITERS;
  const writer = async () => {
    for (let i = 0; i < WRITES; i += 1) await run((name) => write(store, rows, name, random));
    writing -= 1;
  };
  const reader = async () => {
    while (writing > 0) await run(() => snapshot(store, rows, random));
  };
  await Promise.all([...times(WRITERS, writer), ...times(READERS, reader)]);
  const { reads: final } = await snapshot(store, rows, random);
  return { history, final };
}

/** Locks some rows, reads them, and gives some of them its name, or changes its mind. */
async function write(store: Store, rows: readonly string[], name: number, random: SeedRandom) {
  const chosen = rows.filter(() => random.integer(0, 2) === 0);
  const modes = chosen.map(() => random.pick(['update', 'update', 'share'] as const));
  const pauses = chosen.map(() => random.integer(0, 2));
  const gives = random.integer(0, 4) > 0;
  let reads = new Map<string, number>();
  let revisions = new Map<string, number>();
  const writes = chosen.filter((_, i) => modes[i] === 'update');
  const done = store.write(async (tx) => {
    reads = new Map();
    revisions = new Map();
    const table = tx.table(accounts);
    for (const [i, id] of chosen.entries()) {
      await table.lock(id, modes[i]!);
      for (let turns = pauses[i]!; turns > 0; turns -= 1) await new Promise(setImmediate);
      reads.set(id, (await table.get(id))!.balance);
    }
    for (const id of writes) {
      await table.update(id, { balance: name });
      revisions.set(id, (await tx.emit(accounts, id, event())).revision);
    }
    if (!gives) throw new RolledBack();
  });
  const outcome = await done.then(
    () => 'committed' as const,
    (error: unknown) => {
      if (!(error instanceof RolledBack)) throw error;
      return 'rolled back' as const;
    },
  );
  return { outcome, reads, writes, revisions };
}

/** Reads the rows in several ways, which must tell the same. */
async function snapshot(store: Store, rows: readonly string[], random: SeedRandom) {
  const first = rows.filter(() => random.integer(0, 1) === 0);
  const reads = await store.read(async (tx) => {
    const table = tx.table(accounts);
    const single = new Map<string, number>();
    for (const id of first) single.set(id, (await table.get(id))!.balance);
    await new Promise(setImmediate);
    const all = new Map((await table.getMany(rows)).map(({ id, balance }) => [id, balance]));
    for (const [id, balance] of single) assert.equal(all.get(id), balance, 'a snapshot stands still');
    const { rows: found } = await table.find();
    assert.deepEqual(new Map(found.map(({ id, balance }) => [id, balance])), all, 'a find sees the same');
    return all;
  });
  return { outcome: 'committed' as const, reads, writes: [], revisions: new Map<string, number>() };
}
