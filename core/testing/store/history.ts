import assert from 'node:assert/strict';

/**
 * What a transaction saw and did. Every value names the transaction that wrote it, so that what was read tells after
 * whom a transaction ran; 0 is what was there before all of them.
 */
export interface Recorded {
  readonly name: number;
  readonly outcome: 'committed' | 'rolled back';
  /** By row: the value that was read, under a lock or in a snapshot. */
  readonly reads: ReadonlyMap<string, number>;
  /** The rows whose value is this transaction's name now; each was read before. */
  readonly writes: readonly string[];
  /** By row: the revision that the event of its change got. */
  readonly revisions: ReadonlyMap<string, number>;
  /** When it was asked for, and when it was known to have ended, on one clock. */
  readonly began: number;
  readonly ended: number;
}

/**
 * Asserts that there is an order in which the transactions, one after the other, would have seen and left the same: each
 * reads what the last before it wrote, none comes before one that had ended when it began, and the rows are `final`.
 */
export function checkHistory(history: readonly Recorded[], final: ReadonlyMap<string, number>): void {
  const committed = history.filter(({ outcome }) => outcome === 'committed');
  const byName = new Map(committed.map((each) => [each.name, each]));
  for (const { name, reads } of committed)
    for (const [row, value] of reads)
      assert.ok(value === 0 || byName.has(value), `${name} read in ${row} what ${value} wrote, which was rolled back`);
  const state = new Map([...final.keys()].map((row) => [row, { value: 0, revision: 0 }]));
  for (const { name, reads, writes, revisions } of inOrder(committed, successors(committed))) {
    for (const [row, value] of reads) assert.equal(value, state.get(row)!.value, `${name} reads ${row}`);
    for (const row of writes) {
      const { revision } = state.get(row)!;
      assert.equal(revisions.get(row), revision + 1, `${name} gets the next revision of ${row}`);
      state.set(row, { value: name, revision: revision + 1 });
    }
  }
  assert.deepEqual(new Map([...state].map(([row, { value }]) => [row, value])), final, 'the rows in the end');
}

/** By row and value: the transaction that replaced it. */
function successors(committed: readonly Recorded[]): ReadonlyMap<string, Recorded> {
  const next = new Map<string, Recorded>();
  for (const each of committed)
    for (const row of each.writes) {
      const replaced = `${row} ${each.reads.get(row)}`;
      const other = next.get(replaced);
      assert.ok(!other, `${other?.name} and ${each.name} both replaced the same value of ${row}: an update is lost`);
      next.set(replaced, each);
    }
  return next;
}

/** The transactions, each after those that it must follow; an assertion error when there is no such order. */
function inOrder(committed: readonly Recorded[], next: ReadonlyMap<string, Recorded>): Recorded[] {
  const byName = new Map(committed.map((each) => [each.name, each]));
  const after = new Map<Recorded, Set<Recorded>>(committed.map((each) => [each, new Set()]));
  for (const each of committed) {
    for (const [row, value] of each.reads) {
      const writer = byName.get(value);
      if (writer) after.get(each)!.add(writer);
      const replacer = next.get(`${row} ${value}`);
      if (replacer && replacer !== each) after.get(replacer)!.add(each);
    }
    for (const earlier of committed) if (earlier.ended < each.began) after.get(each)!.add(earlier);
  }
  const ordered: Recorded[] = [];
  while (after.size > 0) {
    const free = [...after].filter(([, before]) => before.size === 0).map(([each]) => each);
    assert.ok(free.length > 0, `no order explains ${[...after.keys()].map(({ name }) => name).join(', ')}`);
    for (const each of free) after.delete(each);
    for (const before of after.values()) for (const each of free) before.delete(each);
    ordered.push(...free);
  }
  return ordered;
}
