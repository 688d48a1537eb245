import fc from 'fast-check';
import type { Order, Where } from '../../contracts/query.ts';
import { items, labels } from './fixtures.ts';

/** Random rows of the fixtures, and queries of them. */

// Small ranges of values, so that rows meet: in unique keys, in ties, in conditions.
export const uuidOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const id = fc
  .oneof({ arbitrary: fc.integer({ min: 1, max: 12 }), weight: 9 }, fc.integer({ min: 100, max: 250 }))
  .map(uuidOf);
const owner = fc.integer({ min: 90, max: 92 }).map(uuidOf);
const name = fc.constantFrom(
  '',
  'a',
  'ab',
  'abc',
  'B',
  'é',
  '\ufffd',
  '\u{1f600}',
  'a\u{1f600}',
  'red',
  'red ap',
  'x1',
  'x2',
);
const kind = fc.constantFrom('', 'a', 'ab', '\ue000', '\u{1f600}');
export const small = fc.integer({ min: -2, max: 3 });
const score = fc.constantFrom(-1.5, 0, 0.5, 1e300);
const words = fc
  .array(fc.constantFrom('red', 'reds', 'Rédis', 'apple', 'ape', 'x', '42', '\u6771\u4eac'), { maxLength: 4 })
  .map((list) => list.join(' '));
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null, freq: 3 });

const itemColumns = {
  name,
  kind: orNull(kind),
  rank: small,
  score: orNull(score),
  done: fc.boolean(),
  due: orNull(small),
  owner: orNull(owner),
  meta: orNull(fc.constantFrom(1, 'x', [1], { a: [null] })),
  body: orNull(words),
};
export const newItem = fc.record({ id, ...itemColumns });
export const patch = fc.record(itemColumns, { requiredKeys: [] });
export const label = fc.record({ item: id, label: name, weight: orNull(small) });

const valuesOf = { id, name, kind, rank: small, score, done: fc.boolean(), due: small, owner, body: words } as const;
type ItemColumn = keyof typeof valuesOf;
const compared = <R>(build: (column: ItemColumn, values: fc.Arbitrary<never>) => fc.Arbitrary<R>) =>
  fc
    .constantFrom(...(Object.keys(valuesOf) as ItemColumn[]))
    .chain((column) => build(column, valuesOf[column] as fc.Arbitrary<never>));
const pick = <T extends string>(...keys: T[]) => fc.constantFrom(...keys);

export const condition = fc.letrec<{ any: Where }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    compared<Where>((column, values) => values.map((value) => ({ op: 'eq', column, value }))),
    compared<Where>((column, values) => values.map((value) => ({ op: 'ne', column, value }))),
    compared<Where>((column, values) =>
      fc.array(values, { maxLength: 3 }).map((list) => ({ op: 'in', column, values: list })),
    ),
    compared<Where>((column, values) =>
      fc
        .tuple(pick('gt', 'gte', 'lt', 'lte', 'both'), values, values)
        .map(([end, a, b]) =>
          end === 'both' ? { op: 'range', column, gte: a, lt: b } : { op: 'range', column, [end]: a },
        ),
    ),
    fc.record({ op: fc.constant('prefix' as const), column: pick('name', 'kind', 'body'), value: name }),
    fc.record({
      op: fc.constant('like' as const),
      column: pick('name', 'kind', 'body'),
      parts: fc.array(name, { minLength: 2, maxLength: 4 }),
    }),
    fc.record({ op: fc.constant('isNull' as const), column: pick('kind', 'score', 'owner', 'meta', 'body') }),
    fc.record({ op: fc.constant('text' as const), query: words }),
    fc.record({
      op: fc.constant('exists' as const),
      table: fc.constant(labels),
      on: fc.constantFrom<Record<string, string>>(
        { item: 'id' },
        { label: 'name' },
        { item: 'id', weight: 'rank' },
        { label: 'kind' },
      ),
    }),
    tie('any').map((where): Where => ({ op: 'exists', table: items, on: { owner: 'owner', rank: 'rank' }, where })),
    fc.record({ op: pick('and', 'or'), all: fc.array(tie('any'), { maxLength: 3 }) }),
    tie('any').map((where): Where => ({ op: 'not', where })),
  ),
})).any;

/** Orders that an index gives, with what must be held equal for it. */
const orders: readonly (readonly [columns: readonly string[], equal?: 'kind' | 'owner' | 'done'])[] = [
  [['id']],
  [['name']],
  [['rank']],
  [['score']],
  [['due']],
  [['kind', 'rank']],
  [['owner', 'rank']],
  [['done', 'rank']],
  [['owner', 'name']],
  [['rank'], 'kind'],
  [['rank'], 'owner'],
  [['name'], 'owner'],
  [['rank'], 'done'],
];
export const query = fc
  .tuple(fc.constantFrom(...orders), condition, fc.boolean(), fc.integer({ min: 1, max: 6 }))
  .chain(([[columns, equal], where, descending, limit]) => {
    const orderBy: Order = { columns, descending };
    if (!equal) return fc.constant({ where, orderBy, limit });
    return (valuesOf[equal] as fc.Arbitrary<never>).map((value) => {
      const all: Where[] = [where, { op: 'eq', column: equal, value }];
      return { where: { op: 'and', all } as Where, orderBy, limit };
    });
  });
export const grouping = fc.record({
  by: fc.constantFrom(['kind'], ['done', 'rank'], ['owner', 'name']),
  where: condition,
});
