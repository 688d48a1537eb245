import assert from 'node:assert/strict';
import type { ReadTransaction, Store } from '../../contracts/store.ts';
import {
  accounts,
  event,
  gate,
  insertAccount,
  insertItems,
  item,
  items,
  refuses,
  type StoreSuite,
  times,
} from './fixtures.ts';

const balance = (store: Store, id: string) => store.read(async (tx) => (await tx.table(accounts).get(id))?.balance);

const transfer = (store: Store, from: string, to: string, amount: number) =>
  store.write(async (tx) => {
    for (const id of [from, to].sort()) await tx.table(accounts).lock(id, 'update');
    const source = (await tx.table(accounts).get(from))!;
    if (source.balance < amount) return;
    await tx.table(accounts).update(from, { balance: source.balance - amount });
    const target = (await tx.table(accounts).get(to))!;
    await tx.table(accounts).update(to, { balance: target.balance + amount });
  });

export const concurrency: StoreSuite = {
  async 'loses no update of writers that lock the row'({ store }) {
    const id = await insertAccount(store);
    await Promise.all(
      times(40, () =>
        store.write(async (tx) => {
          const row = await tx.table(accounts).lock(id, 'update');
          await tx.table(accounts).update(id, { balance: row!.balance + 1 });
        }),
      ),
    );
    assert.equal(await balance(store, id), 40);
  },

  async 'loses no increment'({ store }) {
    const id = await insertAccount(store);
    await Promise.all(times(60, (i) => store.write((tx) => tx.table(accounts).increment(id, { balance: i % 3 }))));
    assert.equal(await balance(store, id), 60);
  },

  async 'gives a writer that waited for another a later time than that one'({ store }) {
    const id = await insertAccount(store);
    const seen = await Promise.all(
      times(20, (i) =>
        store.write(async (tx) => {
          // So that the order of the locks is not that of the beginnings.
          for (let turns = (i * 7) % 5; turns > 0; turns--) await new Promise(setImmediate);
          await tx.table(accounts).lock(id, 'update');
          const { now } = tx;
          await new Promise(setImmediate);
          const { revision } = await tx.emit(accounts, id, event());
          assert.equal(tx.now, now, 'the time of a transaction stands still');
          return { revision, now };
        }),
      ),
    );
    seen.sort((a, b) => a.revision - b.revision);
    assert.deepEqual(
      seen.map(({ revision }) => revision),
      times(20, (i) => i + 1),
    );
    for (let i = 1; i < seen.length; i++) assert.ok(seen[i]!.now > seen[i - 1]!.now, `${i}: ${JSON.stringify(seen)}`);
  },

  async 'lets one of many writers win that expect the same version'({ store }) {
    const [row] = await insertItems(store, [{}]);
    const results = await Promise.allSettled(
      times(10, (i) => store.write((tx) => tx.table(items).update(row!.id, { rank: i }, { ifVersion: 1 }))),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results)
      if (result.status === 'rejected') await refuses(Promise.reject(result.reason), 'conflict');
    assert.equal((await store.read((tx) => tx.table(items).get(row!.id)))?.version, 2);
  },

  async 'keeps a counter equal to the rows that it counts'({ store }) {
    const id = await insertAccount(store);
    const results = await Promise.allSettled(
      times(40, (i) =>
        store.write(async (tx) => {
          await tx.table(accounts).increment(id, { balance: 1 });
          await tx.table(items).insert(item({ name: `name ${i % 25}` }));
        }),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 25);
    assert.equal(await balance(store, id), 25);
    assert.equal(await store.read((tx) => tx.table(items).count()), 25);
  },

  async 'keeps the sum of what transfers move, in every snapshot'({ store }) {
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push(await insertAccount(store, 100));
    let done = false;
    const sumIn = async (tx: ReadTransaction) => {
      let sum = 0;
      for (const id of ids) sum += (await tx.table(accounts).get(id))!.balance;
      const { rows } = await tx.table(accounts).find();
      assert.equal(
        rows.reduce((total, row) => total + row.balance, 0),
        sum,
        'a find and single reads see the same',
      );
      return sum;
    };
    const reader = (async () => {
      for (let reads = 0; !done || reads < 5; reads++) {
        assert.equal(await store.read(sumIn), 400);
        await new Promise(setImmediate);
      }
    })();
    await Promise.all(times(60, (i) => transfer(store, ids[i % 4]!, ids[(i * 3 + 1) % 4]!, (i * 7) % 50)));
    done = true;
    await reader;
  },

  async 'keeps the view of an open reader over a thousand commits'({ store }) {
    const [row] = await insertItems(store, [{ name: 'row', rank: 0, body: 'first' }]);
    const doomed = (await insertItems(store, [{ name: 'doomed', body: 'first' }]))[0]!;
    const opened = gate();
    const written = gate();
    const look = async (tx: ReadTransaction) => ({
      row: await tx.table(items).get(row!.id),
      all: (await tx.table(items).find({ orderBy: { columns: ['rank'] }, limit: 10_000 })).rows,
      text: (await tx.table(items).find({ where: { op: 'text', query: 'first' } })).rows,
      count: await tx.table(items).count(),
    });
    const reader = store.read(
      async (tx) => {
        const before = await look(tx);
        opened.open();
        await written.opened;
        assert.deepEqual(await look(tx), before);
        return before.count;
      },
      { timeoutMs: 60_000 },
    );
    await opened.opened;
    await store.write((tx) => tx.table(items).delete(doomed.id));
    for (let i = 0; i < 10; i++)
      await Promise.all(
        times(100, (j) =>
          store.write(async (tx) => {
            if (j % 10 === 0) await tx.table(items).insert(item({ rank: j, body: 'first' }));
            await tx.table(items).update(row!.id, { rank: i * 100 + j, body: `text ${j}` });
          }),
        ),
      );
    written.open();
    assert.equal(await reader, 2);
    assert.equal(await store.read((tx) => tx.table(items).count()), 101);
  },
};
