import assert from 'node:assert/strict';
import type { Committed } from '../../contracts/log.ts';
import { Restart, type TableWriter, type WriteTransaction } from '../../contracts/store.ts';
import { defineTable, uuid } from '../../contracts/tables.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import {
  accounts,
  allRows,
  event,
  gate,
  insertAccount,
  insertItems,
  item,
  items,
  labels,
  namesOf,
  refuses,
  type StoreSuite,
  times,
} from './fixtures.ts';

class Failure extends Error {}

export const transactions: StoreSuite = {
  async 'stores nothing of a transaction that throws'({ store }) {
    const [kept, changed] = await insertItems(store, [{ name: 'kept' }, { name: 'changed' }]);
    const before = await allRows(store, items, {});
    const failed = store.write(async (tx) => {
      await tx.table(items).insert(item({ body: 'searchable' }));
      await tx.table(items).update(changed!.id, { name: 'other', rank: 9 });
      await tx.table(items).increment(changed!.id, { rank: 1 });
      await tx.table(items).delete(kept!.id);
      throw new Failure();
    });
    await assert.rejects(failed, Failure);
    assert.deepEqual(await allRows(store, items, {}), before);
    const found = await store.read((tx) => tx.table(items).count({ where: { op: 'text', query: 'searchable' } }));
    assert.equal(found, 0);
    await insertItems(store, [{ name: 'other' }]);
  },

  async 'stores nothing of a transaction in which a key is taken'({ store }) {
    await insertItems(store, [{ name: 'taken' }]);
    await refuses(insertItems(store, [{ name: 'a' }, { name: 'b' }, { name: 'taken' }]), 'already_exists', 'item_name');
    assert.deepEqual(namesOf(await allRows(store, items, {})), ['taken']);
  },

  async 'stores nothing after a key was taken, a version was not expected or a value was bad, also when it is caught'({
    store,
  }) {
    const [taken, row] = await insertItems(store, [{ name: 'taken' }, { name: 'row' }]);
    const before = await allRows(store, items, {});
    const mistakes: Readonly<Record<string, (tx: WriteTransaction) => Promise<unknown>>> = {
      already_exists: (tx) => tx.table(items).update(row!.id, { name: 'taken' }),
      conflict: (tx) => tx.table(items).delete(taken!.id, { ifVersion: 7 }),
      invalid: (tx) => tx.table(items).insert(item({ name: 'x'.repeat(51) })),
    };
    for (const [kind, mistake] of Object.entries(mistakes)) {
      const write = store.write(async (tx) => {
        await tx.table(items).insert(item({ name: 'before' }));
        await mistake(tx).catch(() => {});
        return 'caught';
      });
      await refuses(write, kind as 'conflict');
      assert.deepEqual(await allRows(store, items, {}), before, kind);
    }
    await insertItems(store, [{ name: 'before' }]);
  },

  async 'goes on after a row was not found'({ store }) {
    await store.write(async (tx) => {
      const table = tx.table(items);
      await refuses(table.update(uuidv7(), { rank: 1 }), 'not_found');
      await refuses(table.increment(uuidv7(), { rank: 1 }), 'not_found');
      await refuses(table.delete(uuidv7()), 'not_found');
      await table.insert(item({ name: 'stored' }));
    });
    assert.deepEqual(namesOf(await allRows(store, items, {})), ['stored']);
  },

  async 'begins again in a new transaction when the function throws Restart'({ store }) {
    const scope = await insertAccount(store);
    const heard: Committed[] = [];
    store.onCommit((committed) => heard.push(committed));
    const abandoned: WriteTransaction[] = [];
    const result = await store.write(async (tx) => {
      assert.equal(await tx.table(items).count(), 0);
      assert.equal(await tx.table(items).count({ where: { op: 'text', query: 'word' } }), 0);
      await tx.table(items).insert(item({ name: 'same', body: 'word' }));
      const { revision } = await tx.emit(accounts, scope, event());
      assert.equal(revision, 1);
      if (abandoned.length === 9) return 'stored';
      abandoned.push(tx);
      if (abandoned.length % 2 === 1) throw new Restart();
      // As a second copy of the contracts would throw it.
      throw Object.assign(new Error(), { name: 'Restart' });
    });
    assert.equal(result, 'stored');
    assert.equal(new Set(abandoned).size, 9);
    assert.deepEqual(namesOf(await allRows(store, items, {})), ['same']);
    assert.equal((await store.read((tx) => tx.table(accounts).get(scope)))?.revision, 1);
    assert.equal(heard.length, 1, 'only the last run is told');
    assert.ok(heard[0]!.seq === null || heard[0]!.seq === 1, 'the others left no gap');
    await refuses((async () => abandoned[0]!.table(items).insert(item()))(), 'invalid');
  },

  async 'begins again also after a key was taken'({ store }) {
    await insertItems(store, [{ name: 'n0' }, { name: 'n1' }]);
    let tries = 0;
    await store.write(async (tx) => {
      const name = `n${tries++}`;
      const { rows } = await tx.table(items).find({ where: { op: 'eq', column: 'name', value: name } });
      if (rows.length === 0) return tx.table(items).insert(item({ name }));
      await tx
        .table(items)
        .insert(item({ name }))
        .catch(() => {});
      throw new Restart();
    });
    assert.deepEqual(namesOf(await allRows(store, items, {})), ['n0', 'n1', 'n2']);
  },

  async 'gives up with unavailable when the function throws Restart ten times'({ store }) {
    let runs = 0;
    const write = store.write(async (tx) => {
      runs++;
      await tx.table(labels).insert({ item: uuidv7(), label: 'x' });
      throw new Restart('for ever');
    });
    await refuses(write, 'unavailable');
    assert.equal(runs, 10);
    assert.equal(await store.read((tx) => tx.table(labels).count()), 0);
    assert.equal(await store.write(async () => 7), 7, 'the store goes on');
  },

  async 'hands on what the function returns, and what it throws, also before its first await'({ store }) {
    assert.equal(await store.write(async () => 7), 7);
    assert.equal(await store.read(async () => 'x'), 'x');
    const thrower = (): Promise<never> => {
      throw new Failure();
    };
    await assert.rejects(store.write(thrower), Failure);
    await assert.rejects(store.read(thrower), Failure);
    assert.equal(await store.write(async () => 8), 8, 'the store goes on');
  },

  async 'shows a transaction its own writes'({ store }) {
    const [old] = await insertItems(store, [{ name: 'old', rank: 5 }]);
    await store.write(async (tx) => {
      const table = tx.table(items);
      const fresh = await table.insert(item({ name: 'new', rank: 1 }));
      assert.deepEqual(await table.get(fresh.id), fresh);
      await table.update(old!.id, { rank: 0 });
      assert.deepEqual(namesOf((await table.find({ orderBy: { columns: ['rank'] } })).rows), ['old', 'new']);
      await table.increment(old!.id, { rank: 2 });
      assert.deepEqual(namesOf((await table.find({ orderBy: { columns: ['rank'] } })).rows), ['new', 'old']);
      assert.equal(await table.count(), 2);
      await table.delete(fresh.id);
      assert.equal(await table.get(fresh.id), undefined);
      assert.deepEqual(await table.countBy(['rank']), [{ group: { rank: 2 }, count: 1 }]);
    });
  },

  async 'shows nobody what is not committed'({ store }) {
    const written = gate();
    const seen = gate();
    const write = store.write(async (tx) => {
      await tx.table(items).insert(item({ name: 'a' }));
      written.open();
      await seen.opened;
    });
    await written.opened;
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
    seen.open();
    await write;
    assert.equal(await store.read((tx) => tx.table(items).count()), 1);
  },

  async 'runs operations that were begun together'({ store }) {
    await store.write(async (tx) => {
      await Promise.all(times(20, (i) => tx.table(items).insert(item({ rank: i }))));
    });
    assert.equal(await store.read((tx) => tx.table(items).count()), 20);
  },

  async 'loses none of several changes of a row that were begun together'({ store }) {
    const scope = await insertAccount(store);
    for (const locksFirst of [false, true]) {
      const [row] = await insertItems(store, [{ rank: 0 }]);
      await store.write(async (tx) => {
        if (locksFirst) await tx.table(items).lock(row!.id, 'update');
        await Promise.all([
          ...times(5, () => tx.table(items).increment(row!.id, { rank: 1 })),
          tx.table(items).update(row!.id, { kind: 'a' }),
          ...times(3, () => tx.table(accounts).increment(scope, { balance: 1 })),
          ...times(3, () => tx.emit(accounts, scope, event())),
        ]);
      });
      const after = await store.read((tx) => tx.table(items).get(row!.id));
      assert.deepEqual([after?.rank, after?.kind, after?.version], [5, 'a', 2]);
      const both = store.write((tx) =>
        Promise.all(times(2, () => tx.table(items).update(row!.id, { rank: 1 }, { ifVersion: 2 }))),
      );
      await refuses(both, 'conflict');
    }
    const account = await store.read((tx) => tx.table(accounts).get(scope));
    assert.deepEqual([account?.balance, account?.revision], [6, 2]);
  },

  async 'gives each write a later time than the one before'({ store }) {
    const now: number[] = [];
    for (let i = 0; i < 50; i++) now.push(await store.write(async (tx) => tx.now));
    for (let i = 1; i < now.length; i++) assert.ok(now[i]! > now[i - 1]!);
    now.push(await store.read(async (tx) => tx.now));
    for (const time of now) assert.ok(Number.isSafeInteger(time) && time > 1e15 && time < 1e16, 'it is microseconds');
  },

  async 'refuses what is done with a transaction after its end'({ store }) {
    const [row] = await insertItems(store, [{}]);
    let late: WriteTransaction | undefined;
    let table: TableWriter<typeof items> | undefined;
    await store.write(async (tx) => {
      late = tx;
      table = tx.table(items);
    });
    await refuses(table!.get(row!.id), 'invalid');
    await refuses(table!.insert(item()), 'invalid');
    await refuses(table!.find(), 'invalid');
    await refuses((async () => late!.table(items).update(row!.id, { rank: 1 }))(), 'invalid');
    await store.read(async (tx) => {
      late = tx as WriteTransaction;
    });
    await refuses((async () => late!.table(items).get(row!.id))(), 'invalid');
    assert.equal(await store.read((tx) => tx.table(items).count()), 1);
  },

  async 'refuses a table that nobody declared'({ store }) {
    const unknown = defineTable({ name: 'unknown', columns: { id: uuid() }, primaryKey: ['id'] });
    await refuses(
      store.read(async (tx) => tx.table(unknown).find()),
      'invalid',
    );
    await refuses(
      store.write(async (tx) => tx.table(unknown).find()),
      'invalid',
    );
  },
};
