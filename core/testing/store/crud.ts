import assert from 'node:assert/strict';
import { matchesText } from '../../contracts/query.ts';
import type { Row } from '../../contracts/tables.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { accounts, insertAccount, insertItems, item, items, labels, refuses, type StoreSuite } from './fixtures.ts';

export const crud: StoreSuite = {
  async 'returns the row that was inserted, with null where there is no value and version 1'({ store }) {
    const row = item({ name: 'a', rank: 3 });
    const expected = { ...row, kind: null, score: null, due: null, owner: null, meta: null, body: null, version: 1 };
    assert.deepEqual({ ...(await store.write((tx) => tx.table(items).insert(row))) }, expected);
    assert.deepEqual({ ...(await store.read((tx) => tx.table(items).get(row.id))) }, expected);
  },

  async 'gives back every value as it was stored'({ store }) {
    const max = Number.MAX_SAFE_INTEGER;
    const stored = [
      { rank: max, due: max, score: 0.1 + 0.2, done: true, owner: uuidv7(), kind: '', body: ' \t\n "\'\\%_ ' },
      { rank: -max, due: -max, score: 1.7976931348623157e308, body: 'é e\u0301 \u{1f600} \uffff \u0001' },
      { score: 5e-324, body: 'x'.repeat(20_000) },
      { score: -1.5, due: 0, meta: { 'a b': [1, 2.5, -3e21, 'ä\u{1f600}', true, null, {}, []], '': { x: null } } },
      { meta: [] },
      { meta: 'text' },
      { meta: false },
      { meta: 0 },
    ];
    const inserted = await insertItems(store, stored);
    const read = await store.read((tx) => tx.table(items).getMany(inserted.map(({ id }) => id)));
    assert.deepEqual(read, inserted);
    for (const [i, values] of stored.entries())
      for (const [column, value] of Object.entries(values))
        assert.deepEqual(read[i]![column as 'meta'], value, `${column} of row ${i}`);
  },

  async 'restores a row of another store as it is there'({ store }) {
    const full = { kind: 'k', score: 1.5, due: 7, owner: uuidv7(), meta: { x: [1] }, body: 'text to find' };
    const inserted = { ...item({ name: 'a', rank: 3, ...full }), version: 7 } as Row<typeof items>;
    await store.write((tx) => tx.table(items).restore(inserted));
    assert.deepEqual(await store.read((tx) => tx.table(items).get(inserted.id)), inserted);
    const found = await store.read((tx) => tx.table(items).find({ where: matchesText('find') }));
    assert.deepEqual(found.rows, [inserted]);
    const updated = await store.write((tx) => tx.table(items).update(inserted.id, { rank: 4 }, { ifVersion: 7 }));
    assert.equal(updated.version, 8);
    const twin = { ...inserted, id: uuidv7() };
    await refuses(
      store.write((tx) => tx.table(items).restore(twin)),
      'already_exists',
      'item_name',
    );
    const other = { ...twin, name: 'b', version: 0 };
    await refuses(
      store.write((tx) => tx.table(items).restore(other)),
      'invalid',
      'version',
    );
  },

  async 'keeps no sign on zero'({ store }) {
    const [row] = await insertItems(store, [{ rank: -0, score: -0 }]);
    const read = await store.read((tx) => tx.table(items).get(row!.id));
    assert.ok(Object.is(read?.rank, 0) && Object.is(read?.score, 0));
  },

  async 'gives rows that nobody can change'({ store }) {
    const meta = { list: [{ x: 1 }], plain: [1] };
    const [row] = await insertItems(store, [{ meta }]);
    meta.list[0]!.x = 2;
    meta.plain.push(2);
    assert.deepEqual(
      row!.meta,
      { list: [{ x: 1 }], plain: [1] },
      'what the caller does with its own object changes nothing',
    );
    const read = await store.read((tx) => tx.table(items).get(row!.id));
    for (const each of [row!, read!]) {
      const inner = each.meta as typeof meta;
      for (const part of [each, inner, inner.plain, inner.list, inner.list[0]]) assert.ok(Object.isFrozen(part));
    }
  },

  async 'finds no row by a key that is not there'({ store }) {
    assert.equal(await store.read((tx) => tx.table(items).get(uuidv7())), undefined);
    assert.equal(await store.read((tx) => tx.table(labels).get([uuidv7(), 'x'])), undefined);
  },

  async 'finds rows by a key of several columns'({ store }) {
    const id = uuidv7();
    await store.write(async (tx) => {
      for (const label of ['a', 'b']) await tx.table(labels).insert({ item: id, label, weight: 1 });
      await tx.table(labels).update([id, 'b'], { weight: 2 });
      await tx.table(labels).delete([id, 'a']);
    });
    const rows = await store.read((tx) =>
      tx.table(labels).getMany([
        [id, 'a'],
        [id, 'b'],
      ]),
    );
    assert.deepEqual(rows, [{ item: id, label: 'b', weight: 2, version: 2 }]);
  },

  async 'gets many rows in the order of the keys, each once'({ store }) {
    const [a, b, c] = (await insertItems(store, [{}, {}, {}])).map(({ id }) => id);
    const rows = await store.read((tx) => tx.table(items).getMany([c!, uuidv7(), a!, c!, b!, a!]));
    assert.deepEqual(
      rows.map(({ id }) => id),
      [c, a, b],
    );
    assert.deepEqual(await store.read((tx) => tx.table(items).getMany([])), []);
  },

  async 'changes only the columns of the patch, and counts the version'({ store }) {
    const [row] = await insertItems(store, [{ rank: 1, kind: 'x', body: 'kept' }]);
    const updated = await store.write((tx) => tx.table(items).update(row!.id, { rank: 2, kind: null }));
    assert.deepEqual(updated, { ...row, rank: 2, kind: null, version: 2 });
    assert.deepEqual(await store.read((tx) => tx.table(items).get(row!.id)), updated);
    assert.equal((await store.write((tx) => tx.table(items).update(row!.id, {}))).version, 3);
  },

  async 'leaves a column alone whose value in the patch is undefined'({ store }) {
    const [row] = await insertItems(store, [{ kind: 'x' }]);
    const patch = { kind: undefined, rank: 5 } as unknown as { rank: number };
    const updated = await store.write((tx) => tx.table(items).update(row!.id, patch));
    assert.deepEqual([updated.kind, updated.rank], ['x', 5]);
  },

  async 'adds to counters without a new version'({ store }) {
    const id = await insertAccount(store, 10);
    const row = await store.write((tx) => tx.table(accounts).increment(id, { balance: -3, revision: 0 }));
    assert.deepEqual(row, { id, balance: 7, revision: 0, version: 1 });
    assert.deepEqual(await store.read((tx) => tx.table(accounts).get(id)), row);
  },

  async 'returns the row that was deleted'({ store }) {
    const [row] = await insertItems(store, [{ kind: 'x', body: 'gone' }]);
    assert.deepEqual(await store.write((tx) => tx.table(items).delete(row!.id)), row);
    assert.equal(await store.read((tx) => tx.table(items).get(row!.id)), undefined);
    const query = { where: { op: 'text', query: 'gone' } } as const;
    assert.equal(await store.read((tx) => tx.table(items).count(query)), 0);
  },

  async 'says not_found to a change of a row that does not exist'({ store }) {
    const id = uuidv7();
    await refuses(
      store.write((tx) => tx.table(items).update(id, { rank: 1 })),
      'not_found',
    );
    await refuses(
      store.write((tx) => tx.table(accounts).increment(id, { balance: 1 })),
      'not_found',
    );
    await refuses(
      store.write((tx) => tx.table(items).delete(id)),
      'not_found',
    );
    await refuses(
      store.write((tx) => tx.table(items).delete(id, { ifVersion: 1 })),
      'not_found',
    );
  },

  async 'says conflict when ifVersion is not the version of the row, and changes nothing'({ store }) {
    const [row] = await insertItems(store, [{}]);
    await store.write((tx) => tx.table(items).update(row!.id, { rank: 1 }, { ifVersion: 1 }));
    await refuses(
      store.write((tx) => tx.table(items).update(row!.id, { rank: 2 }, { ifVersion: 1 })),
      'conflict',
    );
    await refuses(
      store.write((tx) => tx.table(items).delete(row!.id, { ifVersion: 1 })),
      'conflict',
    );
    assert.equal((await store.read((tx) => tx.table(items).get(row!.id)))?.rank, 1);
    await store.write((tx) => tx.table(items).delete(row!.id, { ifVersion: 2 }));
  },

  async 'locks the row as it is now, or none'({ store }) {
    const [row] = await insertItems(store, [{}]);
    await store.write(async (tx) => {
      assert.deepEqual(await tx.table(items).lock(row!.id, 'share'), row);
      assert.deepEqual(await tx.table(items).lock(row!.id, 'update'), row);
      assert.equal(await tx.table(items).lock(uuidv7(), 'update'), undefined);
    });
  },
};
