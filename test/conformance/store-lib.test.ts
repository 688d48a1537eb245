import assert from 'node:assert/strict';
import fc from 'fast-check';
import { and, eq, isIn, isNull, ne, type Order, prefix, range, type Where } from '../../core/contracts/query.ts';
import { defineTable, int64, json, text, uuid } from '../../core/contracts/tables.ts';
import { afterPrefix, type Bound, compareText, compareValues, HIGHEST, LOWEST } from '../../core/lib/compare.ts';
import { cursorOf, readCursor } from '../../core/lib/cursor.ts';
import { chooseIndex } from '../../core/lib/index-choice.ts';
import { newRow, updatedRow } from '../../core/lib/rows.ts';
import { MAX_TOKEN_LENGTH, tokens } from '../../core/lib/tokenizer.ts';

const table = defineTable({
  name: 'things',
  columns: {
    id: uuid(),
    project: uuid(),
    key: text({ nullable: true }),
    rank: int64(),
    created: int64(),
    data: json({ nullable: true }),
  },
  primaryKey: ['id'],
  unique: { thing_key: ['key'] },
  indexes: {
    by_created: ['created'],
    by_project: ['project', 'created'],
    by_project_rank: ['project', 'rank', 'created'],
    by_project_id: ['project', 'id'],
  },
});
const ID = '00000000-0000-7000-8000-000000000001';

describe('the tokenizer', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    '': [],
    ' -_%"\t': [],
    'Fix the fix': ['fix', 'the'],
    "it's error-42 (v1.2)": ['it', 's', 'error', '42', 'v1', '2'],
    'test@example.com': ['test', 'example', 'com'],
    'Ünïcode ÅNGSTRÖM ёлка Ёлка': ['unicode', 'angstrom', 'елка'],
    'STRASSE straße ΟΔΟΣ οδος İstanbul ﬁt １２': ['strasse', 'οδοσ', 'istanbul', 'fit', '12'],
    हिन्दी: ['हिन्दी'],
    '東京タワー 한국어 ไทย': ['東', '京', 'タ', 'ワ', 'ー', '한국어', 'ไทย'],
    'e\u0301tude étude': ['etude'],
    '\u{1d400}\u{10400}\u{1f600}x': ['a\u{10428}', 'x'],
  };
  for (const [input, expected] of Object.entries(cases))
    it(`makes [${expected.join(' ')}] of ${JSON.stringify(input)}`, () => {
      assert.deepEqual(tokens(input), expected);
    });

  it('cuts long words, never within a character', () => {
    assert.deepEqual(tokens('a'.repeat(1_000)), ['a'.repeat(MAX_TOKEN_LENGTH)]);
    const [token] = tokens('\u{10428}'.repeat(1_000));
    assert.ok(token!.isWellFormed() && Array.from(token!).length === MAX_TOKEN_LENGTH);
  });

  it('finds its own tokens again in them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (input) => {
        const once = tokens(input);
        assert.deepEqual(tokens(once.join(' ')), once);
      }),
    );
  });
});

describe('comparison', () => {
  const points = (value: string) => Array.from(value, (character) => character.codePointAt(0)!);

  it('orders text by code point', () => {
    const unit = fc.constantFrom('a', 'b', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}');
    fc.assert(
      fc.property(fc.array(unit), fc.array(unit), (x, y) => {
        const [a, b] = [points(x.join('')), points(y.join(''))];
        const i = a.findIndex((point, at) => point !== b[at]);
        const expected = i < 0 ? a.length - b.length : i < b.length ? a[i]! - b[i]! : 1;
        assert.equal(Math.sign(compareText(x.join(''), y.join(''))), Math.sign(expected));
      }),
    );
  });

  it('puts null after every value, and open ends outside', () => {
    const sorted: Bound[] = [LOWEST, false, true, null, HIGHEST];
    assert.deepEqual(sorted.toReversed().sort(compareValues), sorted);
    for (const value of ['', '\u{10ffff}', -1, Number.MAX_VALUE]) {
      const ends: Bound[] = [LOWEST, value, null, HIGHEST];
      assert.deepEqual(ends.toReversed().sort(compareValues), ends);
    }
  });

  it('finds the least text after all that begin with a prefix', () => {
    assert.equal(afterPrefix('ab'), 'ac');
    assert.equal(afterPrefix('a\ud7ff'), 'a\ue000');
    assert.equal(afterPrefix('a\uffff'), 'a\u{10000}');
    assert.equal(afterPrefix('a\u{10ffff}'), 'b');
    assert.equal(afterPrefix('\u{10ffff}'), undefined);
    assert.equal(afterPrefix(''), undefined);
  });
});

describe('the choice of an index', () => {
  const order = (...columns: string[]) => ({ columns });

  it('takes the one with the most columns held equal, then a range on the next', () => {
    const inProject = eq('project', ID);
    const choice = (where?: Where, orderBy?: Order | 'any') => {
      const { index, equal, residual } = chooseIndex(table, where, orderBy);
      return [index, equal.length, residual.length];
    };
    assert.deepEqual(choice(), ['primary', 0, 0]);
    assert.deepEqual(choice(eq('id', ID)), ['primary', 1, 0]);
    assert.deepEqual(choice(inProject, order('created')), ['by_project', 1, 0]);
    assert.deepEqual(choice(inProject), ['by_project_id', 1, 0]);
    assert.deepEqual(choice(and(inProject, eq('rank', 1)), order('created')), ['by_project_rank', 2, 0]);
    assert.deepEqual(choice(and(inProject, range('created', { gt: 1 })), 'any'), ['by_project', 1, 0]);
    assert.deepEqual(choice(and(ne('rank', 1), inProject), order('rank', 'created')), ['by_project_rank', 1, 1]);
    assert.deepEqual(choice(and(eq('key', 'a'), eq('key', 'b')), 'any'), ['thing_key', 1, 1]);
    assert.deepEqual(choice(isNull('key')), ['thing_key', 1, 0]);
    assert.throws(() => choice(undefined, order('rank')), { kind: 'invalid' });
  });

  it('takes that of a unique key which is held whole, whatever the order', () => {
    const choice = (where: Where, orderBy?: Order | 'any') => {
      const { index, single, residual } = chooseIndex(table, where, orderBy);
      return [index, single, residual.length];
    };
    const inProject = and(eq('project', ID), eq('rank', 1), eq('created', 1));
    assert.deepEqual(choice(eq('key', 'a'), order('created')), ['thing_key', true, 0]);
    assert.deepEqual(choice(and(inProject, eq('key', 'a')), order('created')), ['thing_key', true, 3]);
    assert.deepEqual(choice(and(inProject, eq('key', 'a')), 'any'), ['thing_key', true, 3]);
    assert.deepEqual(choice(and(eq('key', 'a'), eq('id', ID)), order('created')), ['primary', true, 1]);
    // Many rows may have no key.
    assert.deepEqual(choice(isNull('key'), order('created')), ['by_created', false, 1]);
    assert.deepEqual(choice(range('key', { gte: 'a', lte: 'a' }), order('created')), ['by_created', false, 1]);
    assert.throws(() => choice(eq('key', 'a'), order('rank')), { kind: 'invalid' }, 'the rule does not depend on it');
  });

  it('bounds the walk by range, prefix and list', () => {
    const ends = (...all: readonly Where[]) => {
      const { lower, upper, residual } = chooseIndex(table, and(...all), 'any');
      return [lower?.value, lower?.inclusive, upper?.value, upper?.inclusive, residual.length];
    };
    assert.deepEqual(ends(range('created', { gt: 1, lte: 5 })), [1, false, 5, true, 0]);
    assert.deepEqual(ends(range('created', { gte: 1 })), [1, true, null, false, 0]);
    assert.deepEqual(ends(prefix('key', 'ab')), ['ab', true, 'ac', false, 0]);
    assert.deepEqual(ends(prefix('key', '')), ['', true, null, false, 0]);
    assert.deepEqual(ends(isIn('created', [7, 3, 5])), [3, true, 7, true, 1]);
    // A condition of another kind beside a key that is held whole stays to be tested.
    assert.deepEqual(ends(ne('rank', 1), eq('id', ID)), [undefined, undefined, undefined, undefined, 1]);
  });
});

describe('cursors', () => {
  it('hold the values of the order and the primary key', () => {
    const row = { id: ID, key: null, created: 5 };
    const orderBy = { columns: ['key', 'created'] };
    assert.deepEqual(readCursor(table, orderBy, cursorOf(table, orderBy, row)), [null, 5, ID]);
  });

  it('refuse values that do not fit the columns', () => {
    for (const row of [{ id: 'x' }, { id: null }, { id: 1 }, {}])
      assert.throws(() => readCursor(table, undefined, cursorOf(table, undefined, row)), /not a cursor/);
  });
});

describe('rows', () => {
  it('share what is frozen already', () => {
    const data = Object.freeze({ list: Object.freeze([1, 'x', null]) });
    const row = newRow(table, { id: ID, project: ID, rank: 1, created: 1, data });
    assert.equal(row['data'], data);
    assert.equal(updatedRow(table, row, { rank: 2 })['data'], data);
  });

  it('keep a key of JSON that is called __proto__', () => {
    const data = JSON.parse('{"__proto__": {"x": 1}}');
    const row = newRow(table, { id: ID, project: ID, rank: 1, created: 1, data });
    assert.equal(JSON.stringify(row['data']), '{"__proto__":{"x":1}}');
    assert.equal((row['data'] as { x?: number }).x, undefined);
  });
});
