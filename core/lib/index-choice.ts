import type { Order, Value, Where } from '../contracts/query.ts';
import { StoreError } from '../contracts/store.ts';
import type { AnyTable } from '../contracts/tables.ts';
import { afterPrefix, compareValues } from './compare.ts';
import { orderColumns } from './cursor.ts';
import { conjuncts } from './where.ts';

/** One end of a range of an index, in the column after the equal ones. */
export interface End {
  readonly value: Value | null;
  readonly inclusive: boolean;
}

/** Which part of which index to walk, and what is left to test for each row. */
export interface IndexChoice {
  /** The name of the index or unique key, or 'primary'. */
  readonly index: string;
  /** What the leading columns of the index equal. */
  readonly equal: readonly (Value | null)[];
  /** The range of the next column. */
  readonly lower?: End;
  readonly upper?: End;
  /** What the walk itself does not see to. */
  readonly residual: readonly Where[];
  /** At most one row is there to walk, for a unique key is held whole. The index then need not give the order. */
  readonly single: boolean;
}

interface Candidate {
  readonly name: string;
  readonly columns: readonly string[];
  /** The columns that no two rows share. */
  readonly unique?: readonly string[];
}

interface Scored {
  readonly candidate: Candidate;
  readonly equal: number;
  readonly range: Where | undefined;
  readonly score: number;
}

const candidates = new WeakMap<AnyTable, readonly Candidate[]>();

/** Every index of the table, 'primary' first, each with the primary key behind its own columns. */
export function indexesOf(table: AnyTable): readonly Candidate[] {
  let all = candidates.get(table);
  if (!all) {
    all = derived(table);
    candidates.set(table, all);
  }
  return all;
}

function derived(table: AnyTable): readonly Candidate[] {
  return [
    { name: 'primary', columns: table.primaryKey, unique: table.primaryKey },
    ...Object.entries({ ...table.unique, ...table.indexes }).map(([name, columns]) => ({
      name,
      columns: [...new Set([...columns, ...table.primaryKey])],
      ...(table.unique[name] ? { unique: table.unique[name] } : {}),
    })),
  ];
}

/** Null sorts after every value and is in no range, so a range without an upper end stops before it. */
const BEFORE_NULL: End = { value: null, inclusive: false };

function endsOf(where: Where): { column: string; lower?: End; upper: End } | undefined {
  if (where.op === 'range') {
    const { column, gt, gte, lt, lte } = where;
    const lower = gt ?? gte;
    const upper = lt ?? lte;
    return {
      column,
      ...(lower === undefined ? {} : { lower: { value: lower, inclusive: gt === undefined } }),
      upper: upper === undefined ? BEFORE_NULL : { value: upper, inclusive: lt === undefined },
    };
  }
  if (where.op === 'prefix') {
    const after = afterPrefix(where.value);
    return {
      column: where.column,
      lower: { value: where.value, inclusive: true },
      upper: after === undefined ? BEFORE_NULL : { value: after, inclusive: false },
    };
  }
  if (where.op === 'in' && where.values.length > 0) {
    const sorted = where.values.toSorted(compareValues);
    return {
      column: where.column,
      lower: { value: sorted[0]!, inclusive: true },
      upper: { value: sorted.at(-1)!, inclusive: true },
    };
  }
  return undefined;
}

/**
 * Chooses the index that reads the least: that of a unique key that is held equal whole, whatever the order; else, of
 * those that give the order, the one with the most leading columns held equal, then the one with a range on the next.
 * `orderBy: 'any'` is for counting. Throws 'invalid' when no index gives the order. But for `single`, all columns of the
 * index are held equal or part of the order, so a cursor names a place in it, also that of a row that does not match.
 */
export function chooseIndex(
  table: AnyTable,
  where: Where | undefined,
  orderBy: Order | 'any' | undefined,
): IndexChoice {
  const parts = conjuncts(where);
  const equalities = new Map<string, Where>();
  for (const part of parts)
    if ((part.op === 'eq' || part.op === 'isNull') && !equalities.has(part.column)) equalities.set(part.column, part);
  const order = orderBy === 'any' ? undefined : orderColumns(table, orderBy);

  let best: Scored | undefined;
  let single: Scored | undefined;
  for (const candidate of indexesOf(table)) {
    let equal = 0;
    while (equal < candidate.columns.length && equalities.has(candidate.columns[equal]!)) equal++;
    const next = candidate.columns[equal];
    const range = next === undefined ? undefined : parts.find((part) => endsOf(part)?.column === next);
    const scored = { candidate, equal, range, score: 2 * equal + (range ? 1 : 0) };
    // Rows that have null in a unique key are not held against each other.
    if (candidate.unique?.every((column) => equalities.get(column)?.op === 'eq')) single ??= scored;
    const leading = candidate.columns.slice(0, equal);
    if (order && order.filter((column) => !leading.includes(column)).join() !== candidate.columns.slice(equal).join())
      continue;
    if (!best || scored.score > best.score) best = scored;
  }
  if (!best)
    throw new StoreError('invalid', `${table.name}: no index gives the order ${order?.join(', ')} for this condition`, {
      table: table.name,
    });

  const { candidate, equal, range } = single ?? best;
  const used = candidate.columns.slice(0, equal).map((column) => equalities.get(column)!);
  const ends = range && endsOf(range);
  return {
    index: candidate.name,
    equal: used.map((part) => (part.op === 'eq' ? part.value : null)),
    ...(ends?.lower ? { lower: ends.lower } : {}),
    ...(ends ? { upper: ends.upper } : {}),
    residual: parts.filter((part) => !used.includes(part) && (part !== range || part.op === 'in')),
    single: single !== undefined,
  };
}
