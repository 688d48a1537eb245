import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Numbered } from '../../../plugins/storage-memdb/numbered.ts';
import { PostingList } from '../../../plugins/storage-memdb/posting-list.ts';

describe('the postings of memdb', () => {
  it('hold every number that was added and not forgotten, however many', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -60, max: 90 }), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (steps, seed) => {
          const list = new PostingList(0);
          const known = new Set([0]);
          let next = 1;
          for (const step of steps) {
            for (let i = 0; i < step; i++) {
              known.add(next);
              list.add(next);
              list.add(next++);
            }
            for (let i = 0; i > step && known.size > 1; i--) {
              known.delete([...known][(seed - i) % known.size]!);
              list.forgetOne((number) => known.has(number));
            }
            const held = [...list];
            assert.equal(list.size, known.size);
            assert.deepEqual(new Set(held.filter((number) => known.has(number))), known);
            assert.equal(new Set(held).size, held.length);
            assert.ok(held.length < 2 * known.size + 1, `${held.length} are held for ${known.size}`);
          }
        },
      ),
    );
  });

  it('are numbered from a place that no other ever gets', () => {
    const numbered = new Numbered<{ readonly number: number }>();
    const first = Array.from({ length: 3_000 }, () => numbered.add((number) => ({ number })));
    assert.deepEqual(
      first.map(({ number }) => number),
      first.map((_, i) => i),
    );
    for (const { number } of first.slice(0, 2_500)) numbered.delete(number);
    assert.equal(numbered.get(0), undefined);
    assert.equal(numbered.get(2_499), undefined);
    assert.equal(numbered.get(2_500), first[2_500]);
    assert.equal(numbered.add((number) => ({ number })).number, 3_000);
  });
});
