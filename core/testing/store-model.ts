import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Key, ReadTransaction, Store, StoreError, WriteTransaction } from '../contracts/store.ts';
import type { AnyTable } from '../contracts/tables.ts';
import { grouping, id, label, newItem, patch, query, small, uuidOf } from './store/arbitraries.ts';
import { fixtureTables, gate, items, labels, times } from './store/fixtures.ts';
import { groups, keyOf, lookUp, type Model, type ModelRow, put, Refusal, select } from './store/model.ts';
import type { StoreConformance } from './store-conformance.ts';
import type { TestRunner } from './suite.ts';

const RUNS = 'STORE_MODEL_RUNS';
const SEED = 'STORE_MODEL_SEED';

const tableOf: Readonly<Record<'items' | 'labels', AnyTable>> = { items, labels };

const look = fc.oneof(
  fc.record({ do: fc.constant('find' as const), query }),
  fc.record({ do: fc.constant('countBy' as const), grouping }),
  fc.record({ do: fc.constant('get' as const), ids: fc.array(id, { maxLength: 4 }) }),
);
const change = fc.oneof(
  {
    arbitrary: newItem.map((row) => ({ do: 'insert' as const, into: 'items' as const, row: row as ModelRow })),
    weight: 4,
  },
  {
    arbitrary: label.map((row) => ({ do: 'insert' as const, into: 'labels' as const, row: row as ModelRow })),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('update' as const),
      id,
      patch,
      ifVersion: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined, freq: 4 }),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constant('increment' as const), id, by: small }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('delete' as const), id }), weight: 1 },
  { arbitrary: look, weight: 2 },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Many rows at once, and away with them, so that an index has more than one node. */
const bulk = fc
  .record({ start: fc.constantFrom(100, 150), count: fc.integer({ min: 40, max: 100 }), gone: fc.boolean() })
  .map(({ start, count, gone }) => {
    const changes = times(count, (i): Change => {
      const id = uuidOf(start + ((i * 37) % count));
      if (gone) return { do: 'delete', id };
      const row = { id, name: `n${id}`, kind: 'a', rank: i % 5, score: i % 7 ? i : null, done: i % 2 === 0 };
      return { do: 'insert', into: 'items', row: { ...row, due: null, owner: null, meta: null, body: 'red apple' } };
    });
    return { do: 'write' as const, changes, commit: true };
  });
const command = fc.oneof(
  {
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      changes: fc.array(change, { minLength: 1, maxLength: 6, size: 'max' }),
      commit: fc.integer({ max: 9, min: 0 }).map((n) => n > 0),
    }),
    weight: 6,
  },
  { arbitrary: bulk, weight: 1 },
  { arbitrary: look, weight: 3 },
  { arbitrary: fc.record({ do: fc.constant('hold' as const) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('look at held' as const), look }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('release' as const) }), weight: 1 },
);
type Look = typeof look extends fc.Arbitrary<infer T> ? T : never;
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function checkLook(tx: ReadTransaction, model: Model, step: Look): Promise<void> {
  const table = tx.table(items);
  if (step.do === 'get') {
    const expected = [...new Set(step.ids)].flatMap((key) => lookUp(model, items, [key]) ?? []);
    assert.deepEqual(await table.getMany(step.ids), expected);
    for (const key of step.ids) assert.deepEqual(await table.get(key), lookUp(model, items, [key]));
  } else if (step.do === 'countBy') {
    const { by, where } = step.grouping;
    assert.deepEqual(await table.countBy(by, { where }), groups(model, items, where, by));
  } else {
    const { where, orderBy } = step.query;
    const expected = select(model, items, where, orderBy);
    const rows: unknown[] = [];
    // Each page but the last goes on by one row at least, be it one that does not match.
    let pagesLeft = model.get(items.name)!.length + 1;
    for (let page = await table.find(step.query); ; page = await table.find({ ...step.query, after: page.next })) {
      rows.push(...page.rows);
      assert.ok(page.rows.length <= step.query.limit);
      assert.ok(rows.length <= expected.length, 'a row is shown twice');
      if (page.next === undefined) break;
      assert.ok(--pagesLeft > 0, 'the pages do not end');
    }
    assert.deepEqual(rows, expected);
    assert.equal(await table.count({ where }), expected.length);
  }
}

/** The model after the change, and the row that the store is to return. Throws a Refusal. */
function applyChange(model: Model, step: Exclude<Change, Look>): readonly [Model, ModelRow] {
  if (step.do === 'insert') {
    const row = { ...step.row, version: 1 };
    return [put(model, tableOf[step.into], undefined, row), row];
  }
  const before = lookUp(model, items, [step.id]);
  if (!before) throw new Refusal('not_found');
  if (step.do === 'delete') return [put(model, items, before, undefined), before];
  if (step.do === 'increment') {
    const row = { ...before, rank: (before['rank'] as number) + step.by };
    return [put(model, items, before, row), row];
  }
  if (step.ifVersion !== undefined && step.ifVersion !== before['version']) throw new Refusal('conflict');
  const row = { ...before, ...step.patch, version: (before['version'] as number) + 1 };
  return [put(model, items, before, row), row];
}

function runChange(tx: WriteTransaction, step: Exclude<Change, Look>): Promise<unknown> {
  if (step.do === 'insert') return tx.table(tableOf[step.into]).insert(step.row as never);
  const table = tx.table(items);
  if (step.do === 'delete') return table.delete(step.id);
  if (step.do === 'increment') return table.increment(step.id, { rank: step.by });
  return table.update(step.id, step.patch, step.ifVersion === undefined ? {} : { ifVersion: step.ifVersion });
}

class RolledBack extends Error {}

/** Runs the transaction on both, and returns the model afterwards. */
async function checkWrite(store: Store, model: Model, command: Extract<Command, { do: 'write' }>): Promise<Model> {
  let after = model;
  let refusal: Refusal | undefined;
  const write = store.write(async (tx) => {
    after = model;
    refusal = undefined;
    for (const step of command.changes) {
      if (step.do === 'find' || step.do === 'countBy' || step.do === 'get') {
        await checkLook(tx, after, step);
        continue;
      }
      let row: ModelRow;
      try {
        [after, row] = applyChange(after, step);
      } catch (error) {
        refusal = error as Refusal;
        // A store may refuse at once or at the commit.
        await runChange(tx, step);
        return;
      }
      assert.deepEqual(await runChange(tx, step), row);
    }
    if (!command.commit) throw new RolledBack();
  });
  const error = await write.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (refusal) {
    const { kind, key } = (error ?? {}) as StoreError;
    assert.equal(kind, refusal.kind, String(error));
    if (refusal.keys.length > 0) assert.ok(refusal.keys.includes(key!), `${key} is not one of ${refusal.keys}`);
    return model;
  }
  if (!command.commit && error instanceof RolledBack) return model;
  if (error !== undefined) throw error;
  return after;
}

/** A read transaction held open, with the model as it was when it began. */
async function hold(store: Store, model: Model) {
  const release = gate();
  let settled: Promise<unknown> = Promise.resolve();
  const tx = await new Promise<ReadTransaction>((resolve, reject) => {
    settled = store.read(
      async (tx) => {
        // A snapshot may begin with the first statement.
        await tx.table(items).count();
        resolve(tx);
        await release.opened;
      },
      { timeoutMs: 60_000 },
    );
    settled.catch(reject);
  });
  return {
    tx,
    model,
    async release() {
      release.open();
      await settled;
    },
  };
}

async function checkCommands(store: Store, commands: readonly Command[]): Promise<void> {
  let model: Model = new Map(fixtureTables.map((table) => [table.name, []]));
  const held: Awaited<ReturnType<typeof hold>>[] = [];
  try {
    for (const command of commands) {
      if (command.do === 'write') model = await checkWrite(store, model, command);
      else if (command.do === 'hold') {
        if (held.length < 2) held.push(await hold(store, model));
      } else if (command.do === 'release') await held.shift()?.release();
      else if (command.do === 'look at held') {
        for (const each of held) await checkLook(each.tx, each.model, command.look);
      } else {
        const now = model;
        await store.read((tx) => checkLook(tx, now, command));
      }
    }
    const expected = model;
    for (const table of [items, labels])
      for (const row of expected.get(table.name)!)
        assert.deepEqual(await store.read((tx) => tx.table(table).get(keyOf(table, row) as Key)), row);
  } finally {
    for (const each of held) await each.release();
  }
}

/**
 * Compares a store with a naive model over random transactions, snapshots and queries. The number of runs is that of
 * the variable STORE_MODEL_RUNS, else `runs` (default 40); a failure prints its seed, which STORE_MODEL_SEED repeats.
 */
export function storeModel(
  runner: TestRunner,
  { name, open, runs = 40 }: StoreConformance & { readonly runs?: number },
): void {
  const { [RUNS]: wanted, [SEED]: seed } = process.env;
  runner.describe(`store '${name}' and the model`, () => {
    runner.it('agree on every result of random transactions', async () => {
      let last: Promise<void> | undefined;
      const check = async (commands: readonly Command[]) => {
        const { store, close } = await open(fixtureTables);
        try {
          await checkCommands(store, commands);
        } finally {
          await close();
        }
      };
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60, size: 'max' }), (commands) => {
          last = check(commands);
          return last;
        }),
        {
          numRuns: Number(wanted ?? runs),
          ...(seed === undefined ? {} : { seed: Number(seed) }),
          // Leaves time to report what was found; a long run sets its own time limit.
          ...(wanted === undefined ? { interruptAfterTimeLimit: 8_000 } : {}),
        },
      );
      // The run that the time limit has interrupted goes on, in the same database as the next test.
      await last;
    });
  });
}
