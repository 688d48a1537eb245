import assert from 'node:assert/strict';
import { and, eq, matchesText, not, or, type Where } from '../../contracts/query.ts';
import type { Store } from '../../contracts/store.ts';
import { allRows, insertItems, item, items, namesOf, type StoreSuite, times } from './fixtures.ts';

const search = async (store: Store, query: string) =>
  namesOf(await allRows(store, items, { where: matchesText(query), orderBy: { columns: ['name'] } }));

export const text: StoreSuite = {
  async 'finds a row by the beginning of its words, in any of its texts'({ store }) {
    await insertItems(store, [
      { name: 'Login page broken', body: 'It fails with error-42.' },
      { name: 'Printer', body: 'login works' },
      { name: 'Blogging', body: null },
    ]);
    assert.deepEqual(await search(store, 'log'), ['Login page broken', 'Printer']);
    assert.deepEqual(await search(store, 'LOGIN'), ['Login page broken', 'Printer']);
    assert.deepEqual(await search(store, '42'), ['Login page broken']);
    assert.deepEqual(await search(store, 'ogin'), []);
    assert.deepEqual(await search(store, 'logins'), []);
  },

  async 'needs every word of the query, whichever text holds it'({ store }) {
    await insertItems(store, [
      { name: 'red apple', body: 'sweet' },
      { name: 'red pepper', body: 'hot' },
    ]);
    assert.deepEqual(await search(store, 'red sweet'), ['red apple']);
    assert.deepEqual(await search(store, 'swe, app. RED'), ['red apple']);
    assert.deepEqual(await search(store, 'red sour'), []);
  },

  async 'takes a query of very many words, and conditions of very many parts'({ store }) {
    const words = times(1_200, (i) => `w${i}`).join(' ');
    await insertItems(store, [
      { name: 'all', body: words, rank: 1 },
      { name: 'some', body: words.slice(0, 3_000), rank: 1_199 },
      { name: 'other', rank: 1_200 },
    ]);
    assert.deepEqual(await search(store, words), ['all']);
    const ranks = or(...times(1_200, (i) => eq('rank', i)));
    const found = async (where: Where) =>
      namesOf(await allRows(store, items, { where, orderBy: { columns: ['name'] } }));
    assert.deepEqual(await found(ranks), ['all', 'some']);
    assert.deepEqual(await found(not(ranks)), ['other']);
  },

  async 'finds nothing by a query without a word'({ store }) {
    await insertItems(store, [{ name: 'x' }]);
    for (const query of ['', ' ', '%', '_', '*', '--', '"\'', '()&|!:*<->'])
      assert.deepEqual(await search(store, query), []);
  },

  async 'takes the operators of search languages for separators'({ store }) {
    await insertItems(store, [{ name: 'cats and dogs' }, { name: 'cats' }]);
    for (const query of [
      'cats & dogs',
      'cats | dogs',
      'cats:* dogs',
      '"cats" dogs',
      '-cats dogs',
      'cats <-> dogs',
      '(cats) AND dogs',
    ])
      assert.deepEqual(await search(store, query), ['cats and dogs'], query);
  },

  async 'ignores case, width and the accents of Latin letters'({ store }) {
    await insertItems(store, [{ name: 'José Straße ﬁnd Ｗｉｄｅ ΟΔΟΣ' }]);
    for (const query of ['jose', 'JOSÉ', 'strasse', 'STRASSE', 'find', 'wide', 'οδος', 'οδοσ'])
      assert.equal((await search(store, query)).length, 1, query);
  },

  async 'finds words of any script'({ store }) {
    await insertItems(store, [{ name: '東京都 Ошибка हिन्दी 한국어' }]);
    for (const query of ['東京', '京都', 'ошиб', 'हिन्दी', '한국'])
      assert.equal((await search(store, query)).length, 1, query);
    assert.deepEqual(await search(store, '大阪'), []);
  },

  async 'follows a row through its changes'({ store }) {
    const [row] = await insertItems(store, [{ name: 'n', body: 'alpha beta' }]);
    await store.write((tx) => tx.table(items).update(row!.id, { body: 'beta gamma' }));
    assert.deepEqual(
      [await search(store, 'alpha'), await search(store, 'beta'), await search(store, 'gamma')],
      [[], ['n'], ['n']],
    );
    await store.write((tx) => tx.table(items).update(row!.id, { body: 'alpha' }));
    assert.deepEqual([await search(store, 'alpha'), await search(store, 'beta')], [['n'], []]);
    await store.write((tx) => tx.table(items).delete(row!.id));
    assert.deepEqual(await search(store, 'alpha'), []);
  },

  async 'sees what the transaction itself wrote'({ store }) {
    const [old] = await insertItems(store, [{ name: 'old', body: 'alpha' }]);
    await store.write(async (tx) => {
      const find = async () => namesOf((await tx.table(items).find({ where: matchesText('alpha') })).rows);
      await tx.table(items).insert(item({ name: 'new', body: 'alpha' }));
      assert.deepEqual((await find()).sort(), ['new', 'old']);
      await tx.table(items).update(old!.id, { body: 'beta' });
      assert.deepEqual(await find(), ['new']);
      assert.equal(await tx.table(items).count({ where: matchesText('alpha') }), 1);
    });
  },

  async 'combines with other conditions'({ store }) {
    await insertItems(store, [
      { name: 'a', body: 'alpha', kind: 'x' },
      { name: 'b', body: 'alpha', kind: 'y' },
      { name: 'c', body: 'beta', kind: 'x' },
    ]);
    const find = async (where: Where) =>
      namesOf(await allRows(store, items, { where, orderBy: { columns: ['name'] } })).join('');
    assert.equal(await find(and(matchesText('alpha'), eq('kind', 'x'))), 'a');
    assert.equal(await find(and(matchesText('alpha'), matchesText('b'))), 'b');
    assert.equal(await find(or(matchesText('beta'), eq('kind', 'y'))), 'bc');
    assert.equal(await find(not(matchesText('alpha'))), 'c');
  },

  async 'pages rare and common words alike'({ store }) {
    await insertItems(
      store,
      times(60, (i) => ({ rank: i % 4, body: `common ${i % 20 === 0 ? 'rare' : 'filler'} w${i}` })),
    );
    for (const [query, count] of [
      ['common', 60],
      ['rare', 3],
      ['w', 60],
      ['w5', 11],
      ['rare common', 3],
    ] as const)
      for (const descending of [false, true]) {
        const rows = await allRows(store, items, {
          where: matchesText(query),
          orderBy: { columns: ['rank'], descending },
          limit: 2,
        });
        assert.equal(new Set(rows).size, count, query);
        assert.equal(await store.read((tx) => tx.table(items).count({ where: matchesText(query) })), count, query);
      }
  },
};
