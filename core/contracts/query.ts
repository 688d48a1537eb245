import type { AnyTable, ColumnType, ColumnTypes } from './tables.ts';

/**
 * Queries as data. Every backend gives the same rows in the same order for the same query.
 *
 * Truth is two-valued: null equals no value, so `ne` and `not` match rows where the column is null, and a range
 * or prefix never does. Text compares by code point, without collation or case folding.
 */
export type Value = ColumnTypes[Exclude<ColumnType, 'json'>];

export type Where =
  | { readonly op: 'eq' | 'ne'; readonly column: string; readonly value: Value }
  /** An empty list matches nothing. */
  | { readonly op: 'in'; readonly column: string; readonly values: readonly Value[] }
  /** One or two bounds. */
  | {
      readonly op: 'range';
      readonly column: string;
      readonly gt?: Value;
      readonly gte?: Value;
      readonly lt?: Value;
      readonly lte?: Value;
    }
  /** Text columns; an empty prefix matches every value but null. */
  | { readonly op: 'prefix'; readonly column: string; readonly value: string }
  /**
   * Text columns: begins with the first part, ends with the last, and holds those between in their order, none over
   * another. Two parts or more; `['', 'fix', '']` is "holds fix". Never null.
   */
  | { readonly op: 'like'; readonly column: string; readonly parts: readonly string[] }
  | { readonly op: 'isNull'; readonly column: string }
  /**
   * For each token of the query, one of the row's searchable columns holds a token that begins with it. A query
   * without a token matches nothing.
   */
  | { readonly op: 'text'; readonly query: string }
  /** There is a row in another table whose columns equal this row's (`on`: theirs -> ours) and that matches. */
  | {
      readonly op: 'exists';
      readonly table: AnyTable;
      readonly on: Readonly<Record<string, string>>;
      readonly where?: Where;
    }
  /** `and` of nothing is true, `or` of nothing is false. */
  | { readonly op: 'and' | 'or'; readonly all: readonly Where[] }
  | { readonly op: 'not'; readonly where: Where };

export const eq = (column: string, value: Value): Where => ({ op: 'eq', column, value });
export const ne = (column: string, value: Value): Where => ({ op: 'ne', column, value });
export const isIn = (column: string, values: readonly Value[]): Where => ({ op: 'in', column, values });
export const range = (
  column: string,
  bounds: { readonly gt?: Value; readonly gte?: Value; readonly lt?: Value; readonly lte?: Value },
): Where => ({ op: 'range', column, ...bounds });
export const prefix = (column: string, value: string): Where => ({ op: 'prefix', column, value });
export const like = (column: string, parts: readonly string[]): Where => ({ op: 'like', column, parts });
export const isNull = (column: string): Where => ({ op: 'isNull', column });
export const matchesText = (query: string): Where => ({ op: 'text', query });
export const exists = (table: AnyTable, on: Readonly<Record<string, string>>, where?: Where): Where =>
  where ? { op: 'exists', table, on, where } : { op: 'exists', table, on };
export const and = (...all: readonly Where[]): Where => ({ op: 'and', all });
export const or = (...all: readonly Where[]): Where => ({ op: 'or', all });
export const not = (where: Where): Where => ({ op: 'not', where });

/** All columns of one query go in one direction. Null sorts after every value, and so comes first when descending. */
export interface Order {
  readonly columns: readonly string[];
  readonly descending?: boolean;
}

export interface Find {
  readonly where?: Where;
  /**
   * Default: by primary key. The columns must follow, in one of the table's indexes, unique keys or its primary
   * key, the columns that `where` holds equal to one value (`eq` or `isNull` in its top-level `and`); else
   * `invalid`. The primary key breaks ties, in the same direction.
   */
  readonly orderBy?: Order;
  /** The `next` of a page of the same query, or core/lib/cursor.ts's cursor of a row of it; else `invalid`. */
  readonly after?: string;
  /** 1 to 10,000. Default 100. */
  readonly limit?: number;
}

export interface Page<R> {
  readonly rows: readonly R[];
  /**
   * Where the next page begins; absent when nothing follows. A page may be short, or empty, and still have a
   * next: a query examines at most 20,000 rows for one page.
   */
  readonly next?: string;
}

/** The most rows that one `find` examines. */
export const MAX_EXAMINED = 20_000;

export interface GroupCount {
  /** The grouped columns' values. */
  readonly group: Readonly<Record<string, Value | null>>;
  readonly count: number;
}
