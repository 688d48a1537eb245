import assert from 'node:assert/strict';
import fc from 'fast-check';
import { and, eq, type Find, isIn, isNull, matchesText, type Page, range } from '../../core/contracts/query.ts';
import { isStoreError, type Store } from '../../core/contracts/store.ts';
import { bool, defineTable, int64, text } from '../../core/contracts/tables.ts';
import { cursorOf } from '../../core/lib/cursor.ts';
import { grouping, id, label, newItem, query, uuidOf } from '../../core/testing/store/arbitraries.ts';
import { items, labels, times } from '../../core/testing/store/fixtures.ts';
import { MemdbStore } from '../../plugins/storage-memdb/memdb-store.ts';
import { Queries } from '../../plugins/storage-sql/query/queries.ts';
import type { Bounds } from '../../plugins/storage-sql/query/search.ts';
import { type SqlSession, sqlSession } from '../support/sql-session.ts';

const SEED = Number(process.env['SQL_QUERIES_SEED'] ?? Date.now() % 1_000_000);
const RUNS = Number(process.env['SQL_QUERIES_RUNS'] ?? 60);
const DATA_SETS = 3;

type Find1<R> = (query: Find) => Promise<Page<R>>;

/** So that few rows are many: pages end early, and a text search takes each of its ways. */
const FEW: Bounds = { examined: 12, firstWalk: 3, firstWalkPerRow: 1, candidates: 10 };

/** The rows of all pages. */
async function allPages<R>(find: Find1<R>, query: Find): Promise<readonly R[]> {
  const rows: R[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < 1_000; pages++) {
    const page = await find(after === undefined ? query : { ...query, after });
    assert.ok(page.rows.length <= query.limit!, 'a page is too long');
    rows.push(...page.rows);
    if (page.next === undefined) return rows;
    after = page.next;
  }
  return assert.fail('the pages do not end');
}

/** Most random rows would be refused for their id or name. */
const ofItsOwn = ({ name }: { readonly name: string }, i: number) => ({
  id: uuidOf(i + 1),
  name: i < 10 ? name : `${name}${i}`,
});

/** The same random rows in both; those that a unique key refuses in none. */
async function fill(store: Store, sql: SqlSession, seed: number): Promise<void> {
  for (const [table, rows] of [
    [items, fc.sample(newItem, { numRuns: 60, seed }).map((row, i) => ({ ...row, ...ofItsOwn(row, i) }))],
    [labels, fc.sample(label, { numRuns: 60, seed })],
  ] as const)
    for (const row of rows)
      try {
        const stored = await store.write((tx) => tx.table(table).insert(row as never));
        await sql.insert(table, [stored]);
      } catch (error) {
        if (!isStoreError(error, 'already_exists')) throw error;
      }
}

/** An order of two columns that may both be null, and a primary key of two. */
const pairs = defineTable({
  name: 'pairs',
  columns: {
    x: int64(),
    y: text(),
    a: int64({ nullable: true }),
    b: text({ nullable: true }),
    c: bool(),
    d: int64({ nullable: true }),
  },
  primaryKey: ['x', 'y'],
  unique: { pair_d: ['d'] },
  indexes: { pairs_c: ['c', 'a', 'b'], pairs_ab: ['a', 'b'] },
});

for (const dialect of ['sqlite', 'postgres'] as const)
  describe(`queries in ${dialect}`, () => {
    it('pages through columns without a value, from every row on, in both directions', async function () {
      const sql = await sqlSession(this, dialect, [pairs]);
      const store = new MemdbStore();
      store.open([pairs]);
      const queries = new Queries(dialect);
      try {
        const rows = times(16, (i) => ({
          ...{ x: i % 3, y: `y${i}`, c: i % 2 === 0, d: i % 4 ? null : i },
          ...{ a: [null, 1, 2][i % 3]!, b: [null, 'p', 'q', ''][(i >> 1) % 4]! },
        }));
        for (const row of rows) await sql.insert(pairs, [await store.write((tx) => tx.table(pairs).insert(row))]);
        const wheres = [undefined, eq('c', true), isNull('a'), eq('a', 1), range('a', { gt: 1 }), isNull('d')];
        for (const [columns, where] of [
          ...wheres.map((each) => [['a', 'b'], each] as const),
          ...[eq('c', true), and(eq('c', true), isNull('a')), and(eq('c', false), isIn('a', [1, 2]))].map(
            (each) => [['c', 'a', 'b'], each] as const,
          ),
          ...[undefined, range('d', { lte: 8 }), isNull('d')].map((each) => [['d'], each] as const),
        ])
          for (const descending of [false, true]) {
            const query: Find = { orderBy: { columns, descending }, limit: 7, ...(where && { where }) };
            const own: Find1<unknown> = (each) => store.read((tx) => tx.table(pairs).find(each));
            for (const row of rows.filter((_, i) => i % 2 === 0)) {
              const from = { ...query, after: cursorOf(pairs, query.orderBy, row) };
              assert.deepEqual(
                await allPages((each) => queries.find(sql, pairs, each), from),
                await allPages(own, from),
                JSON.stringify({ query, row }),
              );
            }
          }
      } finally {
        await sql.close();
      }
    });

    for (const seed of times(DATA_SETS, (i) => SEED + i))
      it(`find, count and group what memdb does (SQL_QUERIES_SEED=${seed})`, async function () {
        const sql = await sqlSession(this, dialect, [items, labels]);
        const store = new MemdbStore();
        store.open([items, labels]);
        const all = [new Queries(dialect), new Queries(dialect, FEW)];
        try {
          await fill(store, sql, seed);
          await fc.assert(
            fc.asyncProperty(query, grouping, fc.array(id, { maxLength: 4 }), async (query, { by, where }, ids) => {
              const own: Find1<unknown> = (each) => store.read((tx) => tx.table(items).find(each));
              const expected = await allPages(own, query);
              for (const each of all)
                assert.deepEqual(await allPages((page) => each.find(sql, items, page), query), expected);
              assert.equal(await all[0]!.count(sql, items, query.where), expected.length);
              const [groups, rows] = await store.read(async (tx) => [
                await tx.table(items).countBy(by, { where }),
                await tx.table(items).getMany(ids),
              ]);
              assert.deepEqual(await all[0]!.countBy(sql, items, by, where), groups);
              assert.deepEqual(await all[0]!.getMany(sql, items, ids), rows);
            }),
            { numRuns: RUNS, seed },
          );
        } finally {
          await sql.close();
        }
      });

    it(`finds words, rare and common, in every order (SQL_QUERIES_SEED=${SEED})`, async function () {
      const sql = await sqlSession(this, dialect, [items, labels]);
      const store = new MemdbStore();
      store.open([items, labels]);
      const all = [new Queries(dialect), new Queries(dialect, FEW)];
      const own: Find1<unknown> = (each) => store.read((tx) => tx.table(items).find(each));
      try {
        await fill(store, sql, SEED);
        for (const words of [
          'red',
          'apple',
          'ap',
          'x',
          '42',
          'redis',
          'red apple',
          'apple x 42',
          '\u6771\u4eac',
          'none',
        ])
          for (const columns of [['id'], ['rank'], ['score'], ['kind', 'rank']])
            for (const descending of [false, true])
              for (const where of [matchesText(words), and(matchesText(words), eq('done', true))]) {
                const query = { where, orderBy: { columns, descending }, limit: 5 };
                const expected = await allPages(own, query);
                for (const each of all)
                  assert.deepEqual(await allPages((page) => each.find(sql, items, page), query), expected, words);
                assert.equal(await all[0]!.count(sql, items, where), expected.length);
              }
      } finally {
        await sql.close();
      }
    });
  });
