import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MOST, type Node, Tree } from '../../../plugins/storage-memdb/tree.ts';

interface Entry {
  readonly at: number;
  readonly name: string;
}
const byPlace = (a: Entry, b: Entry) => a.at - b.at;
const place = (at: number): Entry => ({ at, name: '' });
const all = (tree: Tree<Entry>) => {
  const entries: Entry[] = [];
  tree.ascend(place(Number.NEGATIVE_INFINITY), (entry) => entries.push(entry) < 0);
  return entries;
};

/** What the other operations rely on. Returns the node's height. */
function checkNode({ entries, children, size }: Node<Entry>): number {
  assert.ok(entries.length <= MOST, `${entries.length} entries`);
  if (!children) {
    assert.equal(size, entries.length);
    return 0;
  }
  assert.ok(children.length > 0 && children.length === entries.length);
  assert.equal(
    size,
    children.reduce((sum, child) => sum + child.size, 0),
  );
  children.forEach((child, i) => {
    assert.equal(child.entries[0], entries[i]);
  });
  const heights = new Set(children.map(checkNode));
  assert.equal(heights.size, 1, 'all leaves are equally deep');
  return 1 + [...heights][0]!;
}

function checkTree(tree: Tree<Entry>, expected: readonly Entry[], at: number): void {
  checkNode(tree.root);
  assert.deepEqual(all(tree), expected);
  assert.equal(tree.size, expected.length);
  assert.equal(tree.last(), expected.at(-1));
  for (const where of [at, at + 0.5]) {
    assert.equal(
      tree.get(place(where)),
      expected.find((entry) => entry.at === where),
    );
    assert.equal(
      tree.from(place(where)),
      expected.find((entry) => entry.at >= where),
    );
    assert.equal(tree.rank(place(where), false), expected.filter((entry) => entry.at < where).length);
    assert.equal(tree.rank(place(where), true), expected.filter((entry) => entry.at <= where).length);
    for (const most of [3, 100]) {
      const up: Entry[] = [];
      tree.ascend(place(where), (entry) => up.push(entry) >= most);
      assert.deepEqual(up, expected.filter((entry) => entry.at >= where).slice(0, most));
      const down: Entry[] = [];
      tree.descend(place(where), (entry) => down.push(entry) >= most);
      assert.deepEqual(
        down,
        expected
          .filter((entry) => entry.at <= where)
          .reverse()
          .slice(0, most),
      );
    }
  }
}

const RANGE = 6_000;
const anywhere = fc.integer({ min: 0, max: RANGE });
// Runs that rise, fall, or grow in the middle of others: each kind of split and merge.
const step = fc.record({
  do: fc.constantFrom('with' as const, 'with' as const, 'without' as const),
  start: fc.oneof(anywhere, fc.constant(RANGE)),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 900 })),
  stride: fc.constantFrom(1, -1, 7, -7, 1009),
});

describe('the tree of memdb', () => {
  it('is a sorted set, and leaves every older version as it was', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let tree = new Tree(byPlace);
        let model = new Map<number, Entry>();
        const versions: { tree: Tree<Entry>; entries: readonly Entry[] }[] = [];
        for (const [n, { do: what, start, count, stride }] of steps.entries()) {
          for (let i = 0; i < count; i++) {
            const at = (((start + i * stride) % RANGE) + RANGE) % RANGE;
            const entry = { at, name: `${n}` };
            if (what === 'with') {
              tree = tree.with(entry);
              model.set(at, entry);
            } else {
              tree = tree.without(entry);
              model.delete(at);
            }
          }
          model = new Map([...model].sort(([a], [b]) => a - b));
          const entries = [...model.values()];
          versions.push({ tree, entries });
          checkTree(tree, entries, start);
        }
        for (const version of versions) assert.deepEqual(all(version.tree), version.entries);
      }),
      { numRuns: 60 },
    );
  });

  it('is empty again after all that was put in is taken out', () => {
    let tree = new Tree(byPlace);
    for (let at = 0; at < 5_000; at++) tree = tree.with(place((at * 1_009) % 5_000));
    for (let at = 0; at < 5_000; at++) tree = tree.without(place(at));
    checkTree(tree, [], 1);
  });

  it('fills its nodes when entries come in order, at the end or within', () => {
    const leaves = ({ children }: Node<Entry>): number =>
      (children ?? []).reduce((sum, each) => sum + leaves(each), 0) || 1;
    let atEnd = new Tree(byPlace);
    for (let at = 0; at < 10_000; at++) atEnd = atEnd.with(place(at));
    assert.equal(leaves(atEnd.root), Math.ceil(10_000 / MOST));
    let within = new Tree(byPlace).with(place(10_000));
    for (let at = 0; at < 10_000; at++) within = within.with(place(at));
    assert.ok(leaves(within.root) < (1.35 * 10_000) / MOST, `${leaves(within.root)} leaves`);
  });
});
