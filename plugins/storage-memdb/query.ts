import {
  type Find,
  type GroupCount,
  MAX_EXAMINED,
  type Order,
  type Page,
  type Value,
  type Where,
} from '../../core/contracts/query.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { compareValues } from '../../core/lib/compare.ts';
import { cursorOf, orderColumns, readCursor } from '../../core/lib/cursor.ts';
import { chooseIndex } from '../../core/lib/index-choice.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { tokens } from '../../core/lib/tokenizer.ts';
import { checkGroupBy, checkLimit, checkWhere, conjuncts } from '../../core/lib/where.ts';
import { matchAll, type View, type Work } from './matcher.ts';
import type { Place, TableSchema } from './table-schema.ts';
import { after, type Stretch, size, stretchOf, walk } from './walk.ts';

/** One page of a query; counts what it examined. */
export function find(view: View, schema: TableSchema, query: Find, work: Work): Page<StoredRow> {
  const { table } = schema;
  const { where, orderBy } = query;
  const descending = orderBy?.descending ?? false;
  const limit = checkLimit(table, query);
  if (where) checkWhere(table, where);
  const choice = chooseIndex(table, where, orderBy);
  const index = schema.index(choice.index);
  const whole = stretchOf(view.trees(schema), index, choice);
  const cursor = query.after === undefined ? undefined : placeOf(table, orderBy, query.after);
  if (choice.single) {
    const test = matchAll(view, schema, choice.residual, work);
    const rows: StoredRow[] = [];
    walk(whole, false, (row) => {
      work.done++;
      if (test(row) && (!cursor || isAfter(row, cursor, descending))) rows.push(row);
      return true;
    });
    return { rows };
  }

  const held = Object.fromEntries(choice.equal.map((value, i) => [index.columns[i]!, value]));
  const start: Place | undefined = cursor && { ...cursor, ...held };
  const stretch = start ? after(whole, start, descending) : whole;

  const rows: StoredRow[] = [];
  // A text search pays by walking when one row in (rows / candidates) matches, so it takes limit * rows / candidates
  // rows to fill a page; by its candidates otherwise.
  const most = Math.min(MAX_EXAMINED, Math.sqrt(limit * stretch.tree.size));
  const candidates = textCandidates(view, schema, choice.residual, stretch, most);
  if (candidates) {
    // The index's order is the one asked for among rows that have the same values in the columns held equal.
    const { compare } = index;
    const direction = descending ? -1 : 1;
    const test = matchAll(view, schema, conjuncts(where), work);
    work.done += candidates.length;
    const found = candidates
      .filter((row) => test(row) && (start === undefined || compare(row, start) * direction > 0))
      .sort((a, b) => compare(a, b) * direction);
    rows.push(...found.slice(0, limit));
    return found.length > limit ? { rows, next: cursorOf(table, orderBy, rows.at(-1)!) } : { rows };
  }

  const test = matchAll(view, schema, choice.residual, work);
  let last: StoredRow | undefined;
  let more = false;
  walk(stretch, descending, (row) => {
    more = last !== undefined && work.done >= MAX_EXAMINED;
    if (more) return true;
    work.done++;
    if (test(row)) {
      more = rows.length === limit;
      if (more) return true;
      rows.push(row);
    }
    last = row;
    return false;
  });
  return more ? { rows, next: cursorOf(table, orderBy, last!) } : { rows };
}

/** The columns of the order, in its order, with what the cursor's row had in them. */
function placeOf(table: AnyTable, orderBy: Order | undefined, cursor: string): Readonly<Record<string, Value | null>> {
  const values = readCursor(table, orderBy, cursor);
  return Object.fromEntries(orderColumns(table, orderBy).map((column, i) => [column, values[i]!]));
}

function isAfter(row: StoredRow, place: Readonly<Record<string, Value | null>>, descending: boolean): boolean {
  for (const [column, value] of Object.entries(place)) {
    const order = compareValues(row[column] as Value | null, value);
    if (order !== 0) return descending ? order < 0 : order > 0;
  }
  return false;
}

/** Visits every row that matches, in no particular order. */
function scan(view: View, schema: TableSchema, where: Where | undefined, work: Work, visit: (row: StoredRow) => void) {
  const choice = chooseIndex(schema.table, where, 'any');
  const stretch = stretchOf(view.trees(schema), schema.index(choice.index), choice);
  const candidates = textCandidates(view, schema, choice.residual, stretch, Number.POSITIVE_INFINITY);
  const test = matchAll(view, schema, candidates ? conjuncts(where) : choice.residual, work);
  const examine = (row: StoredRow) => {
    work.done++;
    if (test(row)) visit(row);
    return false;
  };
  if (candidates) candidates.forEach(examine);
  else walk(stretch, false, examine);
}

export function count(view: View, schema: TableSchema, where: Where | undefined, work: Work): number {
  if (where) checkWhere(schema.table, where);
  const choice = chooseIndex(schema.table, where, 'any');
  if (choice.residual.length === 0) return size(stretchOf(view.trees(schema), schema.index(choice.index), choice));
  let matching = 0;
  scan(view, schema, where, work, () => matching++);
  return matching;
}

export function countBy(
  view: View,
  schema: TableSchema,
  groupBy: readonly string[],
  where: Where | undefined,
  work: Work,
): readonly GroupCount[] {
  const { table } = schema;
  if (where) checkWhere(table, where);
  checkGroupBy(table, groupBy);
  const groups = new Map<string, { group: Record<string, Value | null>; count: number }>();
  scan(view, schema, where, work, (row) => {
    const values = groupBy.map((column) => row[column] as Value | null);
    const name = JSON.stringify(values);
    const group = groups.get(name);
    if (group) group.count++;
    else groups.set(name, { group: Object.fromEntries(groupBy.map((column, i) => [column, values[i]!])), count: 1 });
  });
  return [...groups.values()].sort((a, b) => {
    const differing = groupBy.find((column) => a.group[column] !== b.group[column])!;
    return compareValues(a.group[differing]!, b.group[differing]!);
  });
}

/** The rows that a text condition may match, where they are at most so many and fewer than the stretch holds. */
function textCandidates(
  view: View,
  schema: TableSchema,
  residual: readonly Where[],
  stretch: Stretch,
  most: number,
): StoredRow[] | undefined {
  const condition = residual.find((part) => part.op === 'text');
  if (!condition) return undefined;
  const query = tokens(condition.query);
  if (query.length === 0) return [];
  const versions = schema.text!.candidates(query, Math.min(most, size(stretch)));
  if (!versions) return undefined;
  const rows = new Set<StoredRow>();
  const [primary] = view.trees(schema).indexes;
  for (const version of versions) {
    const row = primary!.get(version) as StoredRow | undefined;
    if (row) rows.add(row);
  }
  return [...rows];
}
