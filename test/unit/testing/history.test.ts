import assert from 'node:assert/strict';
import { checkHistory, type Recorded } from '../../../core/testing/store/history.ts';

type Seen = Partial<Record<'a' | 'b', number>>;
const map = (values: Seen) => new Map(Object.entries(values));

/** A transaction that had not ended when any other began, unless `at` says when it was. */
function transaction(
  name: number,
  reads: Seen,
  revisions: Seen = {},
  at: readonly [number, number] = [0, 9],
): Recorded {
  const writes = Object.keys(revisions);
  return {
    name,
    outcome: 'committed',
    reads: map(reads),
    writes,
    revisions: map(revisions),
    began: at[0],
    ended: at[1],
  };
}

describe('a history of transactions', () => {
  it('is in order when one after the other would have seen the same', () => {
    const history = [
      transaction(3, { a: 1, b: 2 }),
      transaction(2, { a: 1, b: 0 }, { b: 1 }),
      transaction(1, { a: 0 }, { a: 1 }),
      transaction(4, { a: 0, b: 0 }),
      { ...transaction(5, { a: 1 }, { a: 2 }), outcome: 'rolled back' as const },
    ];
    checkHistory(history, map({ a: 1, b: 2 }));
  });

  for (const [what, history, final, message] of [
    ['an update is lost', [transaction(1, { a: 0 }, { a: 1 }), transaction(2, { a: 0 }, { a: 1 })], { a: 2 }, /lost/],
    [
      'each of two did not see the other',
      [transaction(1, { a: 0, b: 0 }, { a: 1 }), transaction(2, { a: 0, b: 0 }, { b: 1 })],
      { a: 1, b: 2 },
      /no order/,
    ],
    [
      'a reader saw half a transaction',
      [transaction(1, { a: 0, b: 0 }, { a: 1, b: 1 }), transaction(2, { a: 1, b: 0 })],
      { a: 1, b: 1 },
      /no order/,
    ],
    [
      'a reader saw what was no more when it began',
      [transaction(1, { a: 0 }, { a: 1 }, [1, 2]), transaction(2, { a: 0 }, {}, [3, 4])],
      { a: 1 },
      /no order/,
    ],
    [
      'someone read what was rolled back',
      [{ ...transaction(1, { a: 0 }, { a: 1 }), outcome: 'rolled back' as const }, transaction(2, { a: 1 })],
      { a: 0 },
      /rolled back/,
    ],
    ['a commit is not there in the end', [transaction(1, { a: 0 }, { a: 1 })], { a: 0 }, /in the end/],
    ['a revision is left out', [transaction(1, { a: 0 }, { a: 2 })], { a: 1 }, /next revision/],
  ] as const)
    it(`is not when ${what}`, () => {
      assert.throws(() => checkHistory(history, map(final)), message);
    });
});
