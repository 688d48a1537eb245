import type { Find, Where } from '../contracts/query.ts';
import { StoreError } from '../contracts/store.ts';
import type { AnyTable } from '../contracts/tables.ts';
import { checkValue } from './rows.ts';

const invalid = (table: AnyTable, message: string, key?: string): StoreError =>
  new StoreError('invalid', `${table.name}: ${message}`, { table: table.name, ...(key === undefined ? {} : { key }) });

function typeOf(table: AnyTable, column: string): string {
  if (!Object.hasOwn(table.columns, column)) throw invalid(table, `'${column}' is not a column`, column);
  return table.columns[column].type;
}

/** Checks a condition against the columns of its table; StoreError 'invalid' with the column. */
export function checkWhere(table: AnyTable, where: Where): void {
  switch (where.op) {
    case 'eq':
    case 'ne':
      checkValue(table, where.column, where.value);
      return;
    case 'in':
      typeOf(table, where.column);
      for (const value of where.values) checkValue(table, where.column, value);
      return;
    case 'range': {
      const { column, gt, gte, lt, lte } = where;
      const lower = [gt, gte].filter((bound) => bound !== undefined);
      const upper = [lt, lte].filter((bound) => bound !== undefined);
      if (lower.length > 1 || upper.length > 1 || lower.length + upper.length === 0)
        throw invalid(table, `a range has one lower bound, one upper bound, or one of each`, column);
      for (const bound of [...lower, ...upper]) checkValue(table, column, bound);
      return;
    }
    case 'prefix':
      if (typeOf(table, where.column) !== 'text') throw invalid(table, `'${where.column}' is not text`, where.column);
      checkValue(table, where.column, where.value);
      return;
    case 'like':
      if (typeOf(table, where.column) !== 'text') throw invalid(table, `'${where.column}' is not text`, where.column);
      if (where.parts.length < 2) throw invalid(table, 'a pattern has two parts or more', where.column);
      for (const part of where.parts) checkValue(table, where.column, part);
      return;
    case 'isNull':
      typeOf(table, where.column);
      return;
    case 'text':
      if (table.searchable.length === 0) throw invalid(table, 'has no searchable column');
      if (typeof where.query !== 'string') throw invalid(table, 'the text to search for must be text');
      return;
    case 'exists': {
      for (const [theirs, ours] of Object.entries(where.on)) {
        const type = typeOf(where.table, theirs);
        if (type === 'json' || type !== typeOf(table, ours))
          throw invalid(table, `'${ours}' cannot be compared with ${where.table.name}.${theirs}`, ours);
      }
      if (where.where) checkWhere(where.table, where.where);
      return;
    }
    case 'and':
    case 'or':
      for (const part of where.all) checkWhere(table, part);
      return;
    case 'not':
      checkWhere(table, where.where);
      return;
    default:
      throw invalid(table, `'${(where as { op: unknown }).op}' is not an operator`);
  }
}

export const DEFAULT_LIMIT = 100;
export const MAX_LIMIT = 10_000;

/** Checks the limit of a query and gives its default. */
export function checkLimit(table: AnyTable, { limit = DEFAULT_LIMIT }: Find): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw invalid(table, `limit must be an integer between 1 and ${MAX_LIMIT}`);
  return limit;
}

/** Checks the columns that rows are counted by. */
export function checkGroupBy(table: AnyTable, groupBy: readonly string[]): void {
  if (groupBy.length === 0) throw invalid(table, 'no column to group by');
  for (const column of groupBy)
    if (!Object.hasOwn(table.columns, column) || table.columns[column].type === 'json')
      throw invalid(table, `cannot group by '${column}'`, column);
}

/** The conditions that all must hold: nested `and`s opened. */
export function conjuncts(where: Where | undefined): readonly Where[] {
  if (!where) return [];
  return where.op === 'and' ? where.all.flatMap(conjuncts) : [where];
}
