import assert from 'node:assert/strict';
import { and, eq, exists, isIn, isNull, like, ne, not, or, prefix, range, type Where } from '../../contracts/query.ts';
import type { Store } from '../../contracts/store.ts';
import { uuidv7 } from '../../lib/uuid.ts';
import { allRows, insertItems, items, labels, namesOf, refuses, type StoreSuite } from './fixtures.ts';

const OWNER = uuidv7();

async function insertExamples(store: Store): Promise<void> {
  const [a, b] = await insertItems(store, [
    { name: 'a', kind: 'x', rank: 1, score: 0.5, done: true, due: 1_000, owner: OWNER },
    { name: 'b', kind: 'x', rank: 2, score: -0.5, done: false, due: 2_000, owner: OWNER },
    { name: 'c', kind: 'xy', rank: 3, score: null, done: true, due: null, owner: uuidv7() },
    { name: 'd', kind: null, rank: 4, score: 1.5, done: false, due: 1_000 },
    { name: 'e', kind: 'X', rank: -5, score: null, done: false },
  ]);
  await store.write(async (tx) => {
    await tx.table(labels).insert({ item: a!.id, label: 'red', weight: 1 });
    await tx.table(labels).insert({ item: a!.id, label: 'x', weight: null });
    await tx.table(labels).insert({ item: b!.id, label: 'red', weight: 5 });
  });
}

const cases =
  (examples: readonly (readonly [where: Where, names: string])[]) =>
  async ({ store }: { readonly store: Store }) => {
    await insertExamples(store);
    for (const [where, names] of examples) {
      const message = JSON.stringify(where, (key, value) => (key === 'table' ? value.name : value));
      const orderBy = { columns: ['name'] };
      const rows = namesOf(await allRows(store, items, { where, orderBy, limit: 2 }));
      assert.equal(rows.join(''), names, message);
      const descending = await allRows(store, items, { where, orderBy: { ...orderBy, descending: true } });
      assert.equal(namesOf(descending).toReversed().join(''), names, `descending ${message}`);
      assert.equal(await store.read((tx) => tx.table(items).count({ where })), names.length, `count ${message}`);
      const byPrimaryKey = namesOf(await allRows(store, items, { where })).sort();
      assert.equal(byPrimaryKey.join(''), names, `by primary key ${message}`);
    }
  };

export const where: StoreSuite = {
  'matches eq and ne, and null is unequal to every value': cases([
    [eq('kind', 'x'), 'ab'],
    [ne('kind', 'x'), 'cde'],
    [eq('rank', -5), 'e'],
    [eq('score', 0.5), 'a'],
    [ne('score', 0.5), 'bcde'],
    [eq('done', true), 'ac'],
    [ne('done', true), 'bde'],
    [eq('due', 1_000), 'ad'],
    [ne('due', 1_000), 'bce'],
    [eq('owner', OWNER), 'ab'],
    [ne('owner', OWNER), 'cde'],
    [eq('kind', 'none'), ''],
  ]),

  'matches one of a list, and none of an empty one': cases([
    [isIn('kind', ['x', 'X', 'x']), 'abe'],
    [isIn('rank', [3, 1, 99]), 'ac'],
    [isIn('done', [true]), 'ac'],
    [isIn('name', ['e', 'a']), 'ae'],
    [isIn('owner', [OWNER]), 'ab'],
    [isIn('kind', []), ''],
    [not(isIn('kind', [])), 'abcde'],
    [not(isIn('kind', ['x'])), 'cde'],
  ]),

  'matches ranges with open and closed ends, never null': cases([
    [range('rank', { gt: 1 }), 'bcd'],
    [range('rank', { gte: 1, lt: 3 }), 'ab'],
    [range('rank', { gt: 3, lte: 3 }), ''],
    [range('rank', { gt: 3, lt: 1 }), ''],
    [range('score', { lt: 100 }), 'abd'],
    [range('score', { gte: -0.5, lte: 0.5 }), 'ab'],
    [range('due', { gt: 1_000 }), 'b'],
    [range('kind', { gte: 'x' }), 'abc'],
    [range('kind', { gt: 'X', lt: 'xy' }), 'ab'],
    [range('done', { lt: true }), 'bde'],
    [not(range('due', { gt: 1_000 })), 'acde'],
    [not(range('score', { lt: 100 })), 'ce'],
  ]),

  'matches the parts of a pattern in their order, never null': cases([
    [like('kind', ['', '']), 'abce'],
    [like('kind', ['x', '']), 'abc'],
    [like('kind', ['', 'y']), 'c'],
    [like('kind', ['', 'x', '']), 'abc'],
    [like('kind', ['x', 'y']), 'c'],
    [like('kind', ['x', 'x']), ''],
    [like('kind', ['xy', 'y']), ''],
    [like('kind', ['', 'y', 'x', '']), ''],
    [like('kind', ['', '%', '']), ''],
    [like('kind', ['', '_']), ''],
    [not(like('kind', ['', 'y'])), 'abde'],
  ]),

  'matches prefixes, never null': cases([
    [prefix('kind', 'x'), 'abc'],
    [prefix('kind', 'xy'), 'c'],
    [prefix('kind', ''), 'abce'],
    [not(prefix('kind', '')), 'd'],
    [prefix('kind', 'xyz'), ''],
  ]),

  'matches null': cases([
    [isNull('kind'), 'd'],
    [not(isNull('kind')), 'abce'],
    [isNull('rank'), ''],
    [and(isNull('score'), isNull('due')), 'ce'],
  ]),

  'joins conditions with and, or, not, in two-valued logic': cases([
    [and(), 'abcde'],
    [or(), ''],
    [not(and()), ''],
    [not(or()), 'abcde'],
    [and(eq('kind', 'x'), eq('rank', 2)), 'b'],
    [and(eq('kind', 'x'), eq('kind', 'X')), ''],
    [or(eq('kind', 'x'), isNull('kind')), 'abd'],
    [not(or(eq('kind', 'x'), isNull('kind'))), 'ce'],
    [not(and(eq('kind', 'x'), eq('done', true))), 'bcde'],
    [and(or(eq('rank', 1), eq('rank', 4)), not(eq('kind', 'x'))), 'd'],
    [not(not(eq('kind', 'x'))), 'ab'],
    [and(and(eq('kind', 'x')), and(ne('rank', 1))), 'b'],
    [not(ne('kind', 'x')), 'ab'],
  ]),

  'matches rows for which another row exists': cases([
    [exists(labels, { item: 'id' }), 'ab'],
    [not(exists(labels, { item: 'id' })), 'cde'],
    [exists(labels, { item: 'id' }, eq('label', 'red')), 'ab'],
    [exists(labels, { item: 'id' }, range('weight', { gt: 2 })), 'b'],
    [exists(labels, { item: 'id' }, isNull('weight')), 'a'],
    [exists(labels, { item: 'id', label: 'kind' }), 'a'],
    [exists(labels, { label: 'kind' }), 'ab'],
    [exists(labels, { weight: 'rank' }), 'a'],
    [exists(items, { owner: 'owner' }, eq('rank', 2)), 'ab'],
    // Null equals no value, so a row without an owner finds none, not even itself.
    [exists(items, { owner: 'owner' }), 'abc'],
    [and(exists(labels, { item: 'id' }), eq('done', true)), 'a'],
    [exists(labels, { item: 'id' }, exists(items, { id: 'item' }, eq('rank', 2))), 'b'],
    [exists(labels, {}, eq('label', 'red')), 'abcde'],
    [exists(labels, {}, eq('label', 'blue')), ''],
  ]),

  async 'counts by the values of columns, in their order'({ store }) {
    await insertExamples(store);
    const countBy = (columns: string[], query = {}) => store.read((tx) => tx.table(items).countBy(columns, query));
    assert.deepEqual(await countBy(['kind']), [
      { group: { kind: 'X' }, count: 1 },
      { group: { kind: 'x' }, count: 2 },
      { group: { kind: 'xy' }, count: 1 },
      { group: { kind: null }, count: 1 },
    ]);
    assert.deepEqual(await countBy(['done', 'kind'], { where: range('rank', { gt: 0 }) }), [
      { group: { done: false, kind: 'x' }, count: 1 },
      { group: { done: false, kind: null }, count: 1 },
      { group: { done: true, kind: 'x' }, count: 1 },
      { group: { done: true, kind: 'xy' }, count: 1 },
    ]);
    assert.deepEqual(await countBy(['kind'], { where: eq('kind', 'none') }), []);
    for (const columns of [[], ['meta'], ['nonsense']]) await refuses(countBy(columns), 'invalid');
  },

  async 'refuses conditions that do not fit the table'({ store }) {
    const refused: readonly (readonly [Where, string?])[] = [
      [eq('nonsense', 1), 'nonsense'],
      [eq('constructor', 1), 'constructor'],
      [eq('rank', '1'), 'rank'],
      [eq('rank', 1.5), 'rank'],
      [eq('rank', 2 ** 53), 'rank'],
      [eq('score', Number.NaN), 'score'],
      [eq('done', 1), 'done'],
      [eq('owner', 'no uuid'), 'owner'],
      [eq('owner', uuidv7().toUpperCase()), 'owner'],
      [eq('name', 'a\0'), 'name'],
      [eq('name', '\ud800'), 'name'],
      [eq('kind', null as unknown as string), 'kind'],
      [eq('meta', 'x'), 'meta'],
      [ne('rank', 'x'), 'rank'],
      [isIn('rank', [1, 'x']), 'rank'],
      [range('rank', {}), 'rank'],
      [range('rank', { gt: 'x' }), 'rank'],
      [range('rank', { gt: 1, gte: 1 }), 'rank'],
      [prefix('rank', '1'), 'rank'],
      [prefix('name', '\0'), 'name'],
      [isNull('nonsense'), 'nonsense'],
      [exists(labels, { item: 'name' }), 'name'],
      [exists(labels, { nonsense: 'name' })],
      [exists(labels, { item: 'id' }, eq('nonsense', 1)), 'nonsense'],
      [and(or(not(eq('nonsense', 1)))), 'nonsense'],
      [like('rank', ['1', '']), 'rank'],
      [like('name', ['', '\0', '']), 'name'],
      [like('name', ['a']), 'name'],
      [{ op: 'sounds', column: 'name' } as unknown as Where],
    ];
    for (const [condition, key] of refused) {
      await refuses(
        store.read((tx) => tx.table(items).find({ where: condition })),
        'invalid',
        key,
      );
      await refuses(
        store.read((tx) => tx.table(items).count({ where: condition })),
        'invalid',
        key,
      );
    }
    const text = { op: 'text', query: 'x' } as const;
    await refuses(
      store.read((tx) => tx.table(labels).find({ where: text })),
      'invalid',
    );
  },
};
