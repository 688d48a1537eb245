import assert from 'node:assert/strict';
import { and, eq, matchesText, range, type Where } from '../../contracts/query.ts';
import { cursorOf } from '../../lib/cursor.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { allRows, insertItems, item, items, labels, namesOf, refuses, type StoreSuite, times } from './fixtures.ts';

const ORDERS = [
  { columns: ['id'] },
  { columns: ['rank'] },
  { columns: ['score'] },
  { columns: ['due'] },
  { columns: ['done', 'rank'] },
  { columns: ['kind', 'rank'] },
  { columns: ['name'] },
].flatMap((order) => [order, { ...order, descending: true }]);

/** Ties, nulls and both together. */
const mixed = (i: number) => ({
  rank: i % 3,
  score: i % 4 === 0 ? null : i % 2,
  due: i % 5 === 0 ? null : i % 2,
  done: i % 2 === 0,
  kind: i % 3 === 0 ? null : `k${i % 2}`,
});

export const paging: StoreSuite = {
  async 'shows every row once, page by page, in every order'({ store }) {
    const rows = await insertItems(store, times(40, mixed));
    for (const orderBy of ORDERS) {
      const whole = await store.read((tx) => tx.table(items).find({ orderBy }));
      assert.equal(whole.rows.length, rows.length);
      for (const limit of [1, 7, 20, 40])
        assert.deepEqual(
          await allRows(store, items, { orderBy, limit }),
          whole.rows,
          JSON.stringify({ orderBy, limit }),
        );
    }
  },

  async 'shows every row once that was there, while others come and go'({ store }) {
    const there = new Set((await insertItems(store, times(30, mixed))).map(({ id }) => id));
    for (const orderBy of ORDERS) {
      let pages = 0;
      const rows = await allRows(store, items, { orderBy, limit: 7 }, async () => {
        if (++pages > 5) return;
        const [gone] = await insertItems(store, times(3, mixed));
        await store.write((tx) => tx.table(items).delete(gone!.id));
      });
      const seen = rows.map(({ id }) => id);
      assert.equal(new Set(seen).size, seen.length, 'a row was shown twice');
      assert.equal(seen.filter((id) => there.has(id)).length, there.size, 'a row was left out');
    }
  },

  async 'goes on after a row that is no longer there'({ store }) {
    const rows = await insertItems(
      store,
      times(5, (i) => ({ rank: i, name: `n${i}` })),
    );
    const orderBy = { columns: ['rank'] };
    const { next } = await store.read((tx) => tx.table(items).find({ orderBy, limit: 2 }));
    await store.write((tx) => tx.table(items).delete(rows[1]!.id));
    assert.deepEqual(namesOf(await allRows(store, items, { orderBy, after: next! })), ['n2', 'n3', 'n4']);
  },

  async 'ends without a next when nothing follows'({ store }) {
    await insertItems(store, times(4, mixed));
    const page = await store.read((tx) => tx.table(items).find({ limit: 4 }));
    assert.equal(page.rows.length, 4);
    assert.ok(!('next' in page), 'a full last page has no next');
    assert.deepEqual({ ...(await store.read((tx) => tx.table(items).find({ where: eq('rank', 99) }))) }, { rows: [] });
  },

  async 'keeps to the condition on every page'({ store }) {
    await insertItems(
      store,
      times(30, (i) => ({ rank: i % 10, kind: i % 2 === 0 ? 'x' : 'y' })),
    );
    for (const descending of [false, true]) {
      const query = { where: eq('kind', 'x'), orderBy: { columns: ['rank'], descending } };
      assert.equal((await allRows(store, items, { ...query, limit: 2 })).length, 15);
    }
    for (const descending of [false, true]) {
      const query = { where: range('rank', { gt: 2, lte: 5 }), orderBy: { columns: ['rank'], descending } };
      assert.equal((await allRows(store, items, { ...query, limit: 2 })).length, 9);
    }
  },

  async 'shows every row once where a column of the order is held equal'({ store }) {
    await insertItems(
      store,
      times(30, (i) => ({ rank: i % 3, done: i % 2 === 0 })),
    );
    for (const descending of [false, true]) {
      const query = { where: eq('rank', 1), orderBy: { columns: ['done', 'rank'], descending } };
      const rows = await allRows(store, items, { ...query, limit: 1 });
      assert.equal(new Set(rows.map(({ id }) => id)).size, 10);
      assert.equal(rows.length, 10);
    }
  },

  async 'goes on after a row by its own cursor'({ store }) {
    const rows = await insertItems(
      store,
      times(6, (i) => ({ rank: i })),
    );
    const orderBy = { columns: ['rank'], descending: true };
    const after = cursorOf(items, orderBy, rows[3]!);
    const page = await store.read((tx) => tx.table(items).find({ orderBy, after }));
    assert.deepEqual(page.rows, rows.slice(0, 3).toReversed());
  },

  async 'finds the row of a unique key in any order, where it follows the cursor'({ store }) {
    const owner = uuidv7();
    const rows = await insertItems(
      store,
      times(5, (i) => ({ rank: i, name: `n${i}`, score: i === 4 ? null : i / 2, owner, body: 'red apple' })),
    );
    const wanted: readonly (readonly [Where, index: number | undefined])[] = [
      [eq('name', 'n2'), 2],
      [eq('id', rows[2]!.id), 2],
      [and(eq('owner', owner), eq('rank', 2)), 2],
      [and(eq('name', 'n2'), matchesText('app')), 2],
      [and(eq('name', 'n2'), matchesText('pear')), undefined],
      [and(eq('name', 'n2'), eq('rank', 3)), undefined],
      [eq('name', 'n4'), 4],
    ];
    for (const column of ['id', 'rank', 'score'])
      for (const descending of [false, true])
        for (const [where, index] of wanted) {
          const orderBy = { columns: [column], descending };
          const found = await store.read((tx) => tx.table(items).find({ where, orderBy, limit: 1 }));
          assert.deepEqual({ ...found }, { rows: index === undefined ? [] : [rows[index]] });
          for (const [i, row] of rows.entries()) {
            const after = cursorOf(items, orderBy, row);
            const page = await store.read((tx) => tx.table(items).find({ where, orderBy, after }));
            const follows = index !== undefined && (descending ? index < i : index > i);
            const message = JSON.stringify({ where, orderBy, i });
            assert.deepEqual({ ...page }, { rows: follows ? [rows[index!]] : [] }, message);
          }
        }
  },

  async 'refuses a cursor of another query'({ store }) {
    const [row] = await insertItems(store, [{}]);
    await store.write((tx) => tx.table(labels).insert({ item: row!.id, label: 'x' }));
    const foreign = [
      cursorOf(items, undefined, row!),
      cursorOf(items, { columns: ['rank'], descending: true }, row!),
      cursorOf(items, { columns: ['score'] }, row!),
      cursorOf(labels, undefined, { item: row!.id, label: 'x' }),
    ];
    for (const after of foreign)
      await refuses(
        store.read((tx) => tx.table(items).find({ orderBy: { columns: ['rank'] }, after })),
        'invalid',
      );
  },

  async 'refuses a damaged cursor'({ store }) {
    const [row] = await insertItems(store, [{}]);
    const cursor = cursorOf(items, undefined, row!);
    const damaged = [
      '',
      'x',
      '{}',
      cursor.slice(1),
      cursor.slice(0, -1),
      `${cursor}A`,
      cursor.toUpperCase(),
      `${cursor} `,
    ];
    for (const after of damaged)
      await refuses(
        store.read((tx) => tx.table(items).find({ after })),
        'invalid',
      );
  },

  async 'takes 1 to 10,000 rows for a page, 100 by default'({ store }) {
    await insertItems(
      store,
      times(101, () => ({})),
    );
    const find = (limit?: number) => store.read((tx) => tx.table(items).find(limit === undefined ? {} : { limit }));
    assert.equal((await find()).rows.length, 100);
    assert.equal((await find(10_000)).rows.length, 101);
    for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) await refuses(find(limit), 'invalid');
  },

  async 'pages inside a transaction that writes'({ store }) {
    await insertItems(
      store,
      times(5, (i) => ({ rank: 2 * i, name: `n${2 * i}` })),
    );
    const seen = await store.write(async (tx) => {
      const query = { orderBy: { columns: ['rank'] }, limit: 2 };
      const first = await tx.table(items).find(query);
      await tx.table(items).insert(item({ rank: 3, name: 'n3' }));
      const second = await tx.table(items).find({ ...query, after: first.next! });
      return namesOf([...first.rows, ...second.rows]);
    });
    assert.deepEqual(seen, ['n0', 'n2', 'n3', 'n4']);
  },
};
