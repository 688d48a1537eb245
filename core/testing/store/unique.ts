import assert from 'node:assert/strict';
import { uuidv7 } from '../../lib/uuid.ts';
import { insertItems, item, items, labels, refuses, type StoreSuite } from './fixtures.ts';

export const unique: StoreSuite = {
  async 'refuses a row whose primary key is taken'({ store }) {
    const [row] = await insertItems(store, [{}]);
    await refuses(
      store.write((tx) => tx.table(items).insert(item({ id: row!.id }))),
      'already_exists',
      'primary',
    );
    const label = { item: row!.id, label: 'x' };
    await store.write((tx) => tx.table(labels).insert(label));
    await refuses(
      store.write((tx) => tx.table(labels).insert(label)),
      'already_exists',
      'primary',
    );
  },

  async 'refuses a row whose unique key is taken, and says which key'({ store }) {
    const owner = uuidv7();
    const [, other] = await insertItems(store, [
      { name: 'a', owner, rank: 1 },
      { name: 'b', owner, rank: 2 },
    ]);
    await refuses(
      store.write((tx) => tx.table(items).insert(item({ name: 'a' }))),
      'already_exists',
      'item_name',
    );
    await refuses(
      store.write((tx) => tx.table(items).insert(item({ owner, rank: 1 }))),
      'already_exists',
      'item_slot',
    );
    await refuses(
      store.write((tx) => tx.table(items).update(other!.id, { name: 'a' })),
      'already_exists',
      'item_name',
    );
    await refuses(
      store.write((tx) => tx.table(items).increment(other!.id, { rank: -1 })),
      'already_exists',
      'item_slot',
    );
    assert.equal(await store.read((tx) => tx.table(items).count()), 2);
  },

  async 'holds rows with null in a unique key against nobody'({ store }) {
    await insertItems(store, [
      { owner: null, rank: 1 },
      { owner: null, rank: 1 },
    ]);
    assert.equal(await store.read((tx) => tx.table(items).count()), 2);
  },

  async 'tells keys apart by every code point'({ store }) {
    const names = ['a', 'A', 'a ', ' a', 'á', 'a\u0301', 'ß', 'ss', ''];
    await insertItems(
      store,
      names.map((name) => ({ name })),
    );
    assert.equal(await store.read((tx) => tx.table(items).count()), names.length);
  },

  async 'lets a row keep its own keys, and frees those it gives up'({ store }) {
    const [row] = await insertItems(store, [{ name: 'a' }]);
    await store.write((tx) => tx.table(items).update(row!.id, { name: 'a', rank: 1 }));
    await store.write((tx) => tx.table(items).update(row!.id, { name: 'b' }));
    const [second] = await insertItems(store, [{ name: 'a' }]);
    await store.write((tx) => tx.table(items).delete(second!.id));
    await insertItems(store, [{ name: 'a' }]);
    await refuses(insertItems(store, [{ name: 'b' }]), 'already_exists', 'item_name');
  },

  async 'frees a key within the transaction that gives it up'({ store }) {
    const [row] = await insertItems(store, [{ name: 'a' }]);
    await store.write(async (tx) => {
      await tx.table(items).delete(row!.id);
      await tx.table(items).insert(item({ name: 'a' }));
    });
    assert.equal(await store.read((tx) => tx.table(items).count()), 1);
  },

  async 'refuses a key that the same transaction has taken'({ store }) {
    await refuses(insertItems(store, [{ name: 'a' }, { name: 'a' }]), 'already_exists', 'item_name');
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
  },

  async 'lets one of many writers have a key'({ store }) {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => insertItems(store, [{ name: 'a' }])));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results)
      if (result.status === 'rejected') await refuses(Promise.reject(result.reason), 'already_exists', 'item_name');
  },
};
