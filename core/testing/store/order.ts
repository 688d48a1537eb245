import assert from 'node:assert/strict';
import { and, eq, isNull, prefix, range } from '../../contracts/query.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { allRows, insertItems, items, labels, namesOf, refuses, type StoreSuite } from './fixtures.ts';

/** In the order of their code points; by UTF-16 unit U+1F600 would come before U+E000. */
const NAMES = [
  '',
  ' ',
  '%',
  'A',
  'Z',
  '_',
  'a',
  'a ',
  'aa',
  'b',
  'ß',
  'é',
  '\u0436',
  '\ud7ff',
  '\ue000',
  '\ufffd',
  '\u{1f600}',
  '\u{10ffff}',
];

export const order: StoreSuite = {
  async 'orders by the primary key where no order is given'({ store }) {
    const rows = await insertItems(store, [{}, {}, {}]);
    const ids = rows.map(({ id }) => id).sort();
    assert.deepEqual(
      (await allRows(store, items, {})).map(({ id }) => id),
      ids,
    );
    const descending = { columns: ['id'], descending: true };
    assert.deepEqual(
      (await allRows(store, items, { orderBy: descending })).map(({ id }) => id),
      ids.toReversed(),
    );
  },

  async 'orders text by code point'({ store }) {
    await insertItems(
      store,
      NAMES.toReversed().map((name) => ({ name })),
    );
    const orderBy = { columns: ['name'] };
    assert.deepEqual(namesOf(await allRows(store, items, { orderBy })), NAMES);
    assert.deepEqual(
      namesOf(await allRows(store, items, { orderBy: { ...orderBy, descending: true } })),
      NAMES.toReversed(),
    );
    for (const [i, name] of NAMES.entries()) {
      assert.deepEqual(
        namesOf(await allRows(store, items, { where: range('name', { gt: name }), orderBy })),
        NAMES.slice(i + 1),
      );
      assert.deepEqual(
        namesOf(await allRows(store, items, { where: range('name', { lte: name }), orderBy })),
        NAMES.slice(0, i + 1),
      );
    }
  },

  async 'orders text by code point in a primary key of several columns'({ store }) {
    const id = uuidv7();
    const expected = NAMES.slice(1);
    await store.write(async (tx) => {
      for (const label of expected.toReversed()) await tx.table(labels).insert({ item: id, label });
    });
    const rows = await allRows(store, labels, { where: eq('item', id) });
    assert.deepEqual(
      rows.map(({ label }) => label),
      expected,
    );
  },

  async 'finds every text that begins with a prefix, by code point'({ store }) {
    await insertItems(
      store,
      [...NAMES, '%_', '%a', '\\', '\\a', 'a\uffff', 'a\u{10ffff}', 'a\u{10ffff}b', 'Aa', '\ud7ffz'].map((name) => ({
        name,
      })),
    );
    const all = namesOf(await allRows(store, items, { orderBy: { columns: ['name'] } }));
    for (const begin of ['', '%', '_', '\\', 'a', 'A', 'a\u{10ffff}', '\ud7ff', '\u{10ffff}', 'nothing'])
      assert.deepEqual(
        namesOf(await allRows(store, items, { where: prefix('name', begin), orderBy: { columns: ['name'] } })),
        all.filter((name) => name.startsWith(begin)),
        begin,
      );
  },

  async 'sorts null after every value, and first when descending'({ store }) {
    await insertItems(store, [
      { name: 'none', score: null },
      { name: 'low', score: -1e300 },
      { name: 'high', score: 1e300 },
      { name: 'zero', score: 0 },
    ]);
    const expected = ['low', 'zero', 'high', 'none'];
    assert.deepEqual(namesOf(await allRows(store, items, { orderBy: { columns: ['score'] } })), expected);
    const descending = { columns: ['score'], descending: true };
    assert.deepEqual(namesOf(await allRows(store, items, { orderBy: descending })), expected.toReversed());
  },

  async 'sorts false before true'({ store }) {
    await insertItems(store, [
      { name: 'b', done: true },
      { name: 'a', done: false },
      { name: 'c', done: true, rank: -1 },
    ]);
    assert.deepEqual(namesOf(await allRows(store, items, { orderBy: { columns: ['done', 'rank'] } })), ['a', 'c', 'b']);
  },

  async 'breaks ties by the primary key, in the same direction'({ store }) {
    const ids = (await insertItems(store, [{}, {}, {}, {}])).map(({ id }) => id).sort();
    for (const descending of [false, true]) {
      const rows = await allRows(store, items, { orderBy: { columns: ['rank'], descending } });
      assert.deepEqual(
        rows.map(({ id }) => id),
        descending ? ids.toReversed() : ids,
      );
    }
  },

  async 'orders by what follows the columns held equal in an index'({ store }) {
    const owner = uuidv7();
    await insertItems(store, [
      { name: 'x2', kind: 'x', rank: 2 },
      { name: 'x1', kind: 'x', rank: 1 },
      { name: 'y0', kind: 'y', rank: 0, owner },
      { name: 'n5', rank: 5, owner },
      { name: 'n4', rank: 4 },
    ]);
    const orderBy = { columns: ['rank'] };
    assert.deepEqual(namesOf(await allRows(store, items, { where: eq('kind', 'x'), orderBy })), ['x1', 'x2']);
    assert.deepEqual(namesOf(await allRows(store, items, { where: isNull('kind'), orderBy })), ['n4', 'n5']);
    const both = and(eq('owner', owner), and(range('rank', { gte: 0 }), isNull('kind')));
    assert.deepEqual(namesOf(await allRows(store, items, { where: both, orderBy })), ['n5']);
    assert.deepEqual(
      namesOf(await allRows(store, items, { where: eq('owner', owner), orderBy: { columns: ['name'] } })),
      ['n5', 'y0'],
    );
  },

  async 'refuses an order that no index gives'({ store }) {
    const find = (query: object) => store.read((tx) => tx.table(items).find(query));
    for (const columns of [['body'], ['rank', 'name'], ['nonsense'], ['meta']])
      await refuses(find({ orderBy: { columns } }), 'invalid');
    // An index of kind and rank breaks the ties of kind by rank, not by the primary key.
    await refuses(find({ orderBy: { columns: ['kind'] } }), 'invalid');
    await refuses(find({ where: range('owner', { gt: uuidv7() }), orderBy: { columns: ['owner'] } }), 'invalid');
  },
};
