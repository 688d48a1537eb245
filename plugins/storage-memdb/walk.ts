import type { Value } from '../../core/contracts/query.ts';
import { type Bound, HIGHEST, LOWEST } from '../../core/lib/compare.ts';
import type { End } from '../../core/lib/index-choice.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import type { Index, Place, Trees } from './table-schema.ts';
import type { Tree } from './tree.ts';

/** A stretch of an index: from one place to another. A row at the place itself belongs to it where `inclusive`. */
export interface Stretch {
  readonly index: Index;
  readonly tree: Tree<Place>;
  readonly low: Place;
  readonly lowInclusive: boolean;
  readonly high: Place;
  readonly highInclusive: boolean;
}

/** The rows whose leading columns equal these values and whose next column is between the ends. */
export function stretchOf(
  trees: Trees,
  index: Index,
  { equal, lower, upper }: { equal: readonly (Value | null)[]; lower?: End; upper?: End },
): Stretch {
  const low: Record<string, Bound> = {};
  const high: Record<string, Bound> = {};
  for (let i = 0; i < index.columns.length; i++) {
    const column = index.columns[i]!;
    if (i < equal.length) {
      low[column] = high[column] = equal[i]!;
    } else if (i === equal.length) {
      low[column] = lower ? lower.value : LOWEST;
      high[column] = upper ? upper.value : HIGHEST;
    } else {
      low[column] = lower?.inclusive === false ? HIGHEST : LOWEST;
      high[column] = upper?.inclusive === false ? LOWEST : HIGHEST;
    }
  }
  return {
    index,
    tree: trees.indexes[index.position]!,
    low,
    lowInclusive: lower?.inclusive ?? true,
    high,
    highInclusive: upper?.inclusive ?? true,
  };
}

/** The part of a stretch that follows a place, in the direction of the walk. */
export function after(stretch: Stretch, place: Place, descending: boolean): Stretch {
  const { compare } = stretch.index;
  if (descending)
    return compare(place, stretch.high) <= 0 ? { ...stretch, high: place, highInclusive: false } : stretch;
  return compare(place, stretch.low) >= 0 ? { ...stretch, low: place, lowInclusive: false } : stretch;
}

/** Visits the rows in order until the visitor returns true. */
export function walk(stretch: Stretch, descending: boolean, visit: (row: StoredRow) => boolean): void {
  const { tree, low, high, lowInclusive, highInclusive } = stretch;
  const { compare } = stretch.index;
  if (descending)
    tree.descend(high, (row) => {
      if (!highInclusive && compare(row, high) === 0) return false;
      const beyond = compare(low, row);
      return beyond > 0 || (beyond === 0 && !lowInclusive) || visit(row as StoredRow);
    });
  else
    tree.ascend(low, (row) => {
      if (!lowInclusive && compare(row, low) === 0) return false;
      const beyond = compare(row, high);
      return beyond > 0 || (beyond === 0 && !highInclusive) || visit(row as StoredRow);
    });
}

/** How many rows there are, without looking at them. */
export function size({ tree, low, high, lowInclusive, highInclusive }: Stretch): number {
  return Math.max(0, tree.rank(high, highInclusive) - tree.rank(low, !lowInclusive));
}
