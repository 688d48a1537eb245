import { and, isIn, not, or, type Value, type Where } from '../contracts/query.ts';

type Range = Extract<Where, { op: 'range' }>;

/**
 * All of the conditions, in one flat `and` with at most one range a column where bounds do not compete: it is there
 * that a store looks for an index.
 */
export function allOf(conditions: readonly Where[]): Where {
  const merged: Where[] = [];
  for (const condition of conditions.flatMap((each) => (each.op === 'and' ? each.all : [each]))) {
    const index = condition.op === 'range' ? merged.findIndex((each) => complements(each, condition)) : -1;
    if (index < 0) merged.push(condition);
    else merged[index] = { ...(merged[index] as Range), ...condition } as Range;
  }
  return merged.length === 1 ? (merged[0] as Where) : and(...merged);
}

/** True for two ranges on one column of which one has the lower bound and the other the upper. */
function complements(a: Where, b: Range): boolean {
  if (a.op !== 'range' || a.column !== b.column) return false;
  const lower = (range: Range) => range.gt !== undefined || range.gte !== undefined;
  const upper = (range: Range) => range.lt !== undefined || range.lte !== undefined;
  return !(lower(a) && lower(b)) && !(upper(a) && upper(b));
}

/** One of the conditions; equalities on one column become an `in`. */
export function anyOf(conditions: readonly Where[]): Where {
  const rest: Where[] = [];
  const values = new Map<string, Set<Value>>();
  for (const condition of conditions.flatMap((each) => (each.op === 'or' ? each.all : [each]))) {
    const equal = equalities(condition);
    if (!equal) rest.push(condition);
    else values.set(equal.column, new Set([...(values.get(equal.column) ?? []), ...equal.values]));
  }
  for (const [column, set] of values) {
    const list = [...set];
    rest.push(list.length === 1 ? { op: 'eq', column, value: list[0] as Value } : isIn(column, list));
  }
  return rest.length === 1 ? (rest[0] as Where) : or(...rest);
}

function equalities(where: Where): { readonly column: string; readonly values: readonly Value[] } | undefined {
  if (where.op === 'eq') return { column: where.column, values: [where.value] };
  return where.op === 'in' ? where : undefined;
}

/** The opposite; truth is two-valued, so `not eq` is `ne` and `not not` is nothing. */
export function noneOf(condition: Where): Where {
  if (condition.op === 'not') return condition.where;
  if (condition.op === 'eq') return { ...condition, op: 'ne' };
  if (condition.op === 'ne') return { ...condition, op: 'eq' };
  return not(condition);
}
