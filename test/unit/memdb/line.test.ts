import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type InLine, Line } from '../../../plugins/storage-memdb/line.ts';

describe('a line in memdb', () => {
  it('keeps the order of arrival, whoever leaves', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(), { freq: 2 })), (steps) => {
        const line = new Line<number>();
        const there: InLine<number>[] = [];
        for (const [n, step] of steps.entries()) {
          const leaving = step === null ? undefined : there[step % (there.length || 1)];
          if (leaving) {
            assert.equal(line.leave(leaving), true);
            assert.equal(line.leave(leaving), false);
            there.splice(there.indexOf(leaving), 1);
          } else there.push(line.join(n));
          assert.deepEqual(
            [...line],
            there.map(({ value }) => value),
          );
          assert.equal(line.first, there[0]);
          assert.ok(there.every(({ left }) => !left));
        }
      }),
    );
  });

  it('leads from nobody who left to anybody else', () => {
    const line = new Line<string>();
    const [a, b, c] = ['a', 'b', 'c'].map((each) => line.join(each));
    line.leave(b!);
    line.leave(a!);
    assert.deepEqual(
      [a, b].map((one) => [one!.before, one!.behind]),
      [
        [undefined, undefined],
        [undefined, undefined],
      ],
    );
    assert.deepEqual([...line], [c!.value]);
  });
});
