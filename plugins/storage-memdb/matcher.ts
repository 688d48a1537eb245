import type { Value, Where } from '../../core/contracts/query.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { type Bound, compareValues, matchesParts } from '../../core/lib/compare.ts';
import { chooseIndex } from '../../core/lib/index-choice.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { matchesTokens, tokens } from '../../core/lib/tokenizer.ts';
import type { TableSchema, Trees } from './table-schema.ts';
import { stretchOf, walk } from './walk.ts';

/** One version of the store, as a transaction sees it. */
export interface View {
  schema(table: AnyTable): TableSchema;
  trees(schema: TableSchema): Trees;
}

/** Counts what a query costs: a row examined is 1, in whichever table. */
export interface Work {
  done: number;
}

export type Test = (row: StoredRow) => boolean;

/** A text is read again for each row that it is searched in; so many characters cost as much as a row. */
const CHARACTERS_PER_ROW = 100;

const costOf = (where: Where): number => {
  switch (where.op) {
    case 'exists':
      return 2;
    case 'text':
      return 3;
    case 'and':
    case 'or':
      return Math.max(0, ...where.all.map(costOf));
    case 'not':
      return costOf(where.where);
    default:
      return 0;
  }
};

/** A test for all of the conditions, the cheap ones first. */
export function matchAll(view: View, schema: TableSchema, parts: readonly Where[], work: Work): Test {
  const tests = parts.toSorted((a, b) => costOf(a) - costOf(b)).map((part) => match(view, schema, part, work));
  if (tests.length === 1) return tests[0]!;
  return (row) => tests.every((test) => test(row));
}

function match(view: View, schema: TableSchema, where: Where, work: Work): Test {
  switch (where.op) {
    case 'eq':
      return (row) => row[where.column] === where.value;
    case 'ne':
      return (row) => row[where.column] !== where.value;
    case 'in': {
      const values = new Set<unknown>(where.values);
      return (row) => values.has(row[where.column]);
    }
    case 'range': {
      const { column, gt, gte, lt, lte } = where;
      return (row) => {
        const value = row[column] as Bound;
        return (
          value !== null &&
          (gt === undefined || compareValues(value, gt) > 0) &&
          (gte === undefined || compareValues(value, gte) >= 0) &&
          (lt === undefined || compareValues(value, lt) < 0) &&
          (lte === undefined || compareValues(value, lte) <= 0)
        );
      };
    }
    case 'prefix':
      return (row) => {
        const value = row[where.column] as string | null;
        return value?.startsWith(where.value) ?? false;
      };
    case 'like':
      return (row) => {
        const value = row[where.column] as string | null;
        return value !== null && matchesParts(value, where.parts);
      };
    case 'isNull':
      return (row) => row[where.column] === null;
    case 'text': {
      const query = tokens(where.query);
      return (row) => {
        const texts = schema.table.searchable.map((column) => row[column] as string | null);
        for (const text of texts) work.done += (text?.length ?? 0) / CHARACTERS_PER_ROW;
        return matchesTokens(query, texts);
      };
    }
    case 'exists':
      return matchExists(view, where, work);
    case 'and':
      return matchAll(view, schema, where.all, work);
    case 'or': {
      const tests = where.all.toSorted((a, b) => costOf(a) - costOf(b)).map((part) => match(view, schema, part, work));
      return (row) => tests.some((test) => test(row));
    }
    case 'not': {
      const test = match(view, schema, where.where, work);
      return (row) => !test(row);
    }
  }
}

/** Stands for the value that our row has in a column, while the index is chosen. */
class Ours {
  readonly column: string;
  constructor(column: string) {
    this.column = column;
  }
}

/** Looks for the other row in the index that fits the columns compared and the condition. */
function matchExists(view: View, where: Extract<Where, { op: 'exists' }>, work: Work): Test {
  const schema = view.schema(where.table);
  const on = Object.entries(where.on).map(
    ([column, ours]): Where => ({ op: 'eq', column, value: new Ours(ours) as unknown as Value }),
  );
  const choice = chooseIndex(schema.table, { op: 'and', all: [...on, ...(where.where ? [where.where] : [])] }, 'any');
  const index = schema.index(choice.index);
  const compared = choice.residual.filter((part) => on.includes(part)) as Extract<Where, { op: 'eq' }>[];
  const test = matchAll(
    view,
    schema,
    choice.residual.filter((part) => !on.includes(part)),
    work,
  );
  const resolve = (value: unknown, row: StoredRow) =>
    (value instanceof Ours ? row[value.column] : value) as Value | null;
  const needed = Object.values(where.on);
  return (row) => {
    if (needed.some((column) => row[column] === null)) return false;
    const equal = choice.equal.map((value) => resolve(value, row));
    let found = false;
    walk(stretchOf(view.trees(schema), index, { ...choice, equal }), false, (other) => {
      work.done++;
      found = compared.every(({ column, value }) => other[column] === resolve(value, row)) && test(other);
      return found;
    });
    return found;
  };
}
