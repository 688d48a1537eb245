import assert from 'node:assert/strict';
import { ReadAhead } from '../../../plugins/storage-sql/store/read-ahead.ts';

const keys = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: from + i, values: [from + i] }));

/** Goes through the keys, and returns which were asked for together. */
function walk(ahead: ReadAhead, from: number, count: number): number[][] {
  const asked: number[][] = [];
  const locked = new Set<unknown>();
  for (const key of keys(from, count)) {
    if (locked.has(key.name)) continue;
    const together = ahead.with(key).map(({ name }) => name as number);
    for (const name of together) locked.add(name);
    asked.push(together);
  }
  return asked;
}

describe('storage-sql: locks of what was found', () => {
  it('are more and more together for one who goes through a page, and go on so on the next', () => {
    const ahead = new ReadAhead();
    ahead.found(keys(0, 7));
    assert.deepEqual(walk(ahead, 0, 7), [[0], [1, 2], [3, 4, 5, 6]]);
    ahead.found(keys(10, 20));
    assert.deepEqual(
      walk(ahead, 10, 20).map(({ length }) => length),
      [8, 12],
    );
  });

  it('are at most 128 together', () => {
    const ahead = new ReadAhead();
    ahead.found(keys(0, 1_000));
    const sizes = walk(ahead, 0, 1_000).map(({ length }) => length);
    assert.equal(Math.max(...sizes), 128);
    assert.ok(sizes.length < 16, `${sizes}`);
  });

  it('are of one row where others are not wanted in the order in which they were found', () => {
    const ahead = new ReadAhead();
    ahead.found(keys(0, 50));
    for (const place of [7, 3, 20, 49]) assert.equal(ahead.with(keys(place, 1)[0]!).length, 1);
    assert.deepEqual(ahead.with(keys(99, 1)[0]!), keys(99, 1), 'nor of one that was not found');
  });
});
