import { sql } from 'kysely';
import type { Value, Where } from '../../../core/contracts/query.ts';
import { afterPrefix } from '../../../core/lib/compare.ts';
import { tokens } from '../../../core/lib/tokenizer.ts';
import { encode } from './codec.ts';
import {
  allOf,
  anyOf,
  column,
  equals,
  FALSE,
  isNull,
  isNullable,
  name,
  parameter,
  present,
  type Scope,
  type Sql,
  TRUE,
} from './sql.ts';
import { matchesTokens } from './text.ts';

/**
 * How other tables are looked into: 'each' row by row through an index, as a page does that ends as soon as it is full
 * (PostgreSQL would otherwise read all of the other table to join it); 'all' as the database likes it.
 */
export type LookUp = 'each' | 'all';

/**
 * The condition in SQL, true or not true: where it is not true it may be null, so it stands where only truth counts.
 * `not` therefore never becomes NOT of something with null: it goes down to the single comparisons.
 */
export function condition(scope: Scope, where: Where, lookUp: LookUp): Sql {
  return build(scope, where, false, lookUp);
}

/** The condition, or its opposite. */
function build(scope: Scope, where: Where, negated: boolean, lookUp: LookUp): Sql {
  switch (where.op) {
    case 'not':
      return build(scope, where.where, !negated, lookUp);
    case 'and':
    case 'or': {
      const parts = where.all.map((part) => build(scope, part, negated, lookUp));
      if ((where.op === 'or') !== negated) return anyOf(parts);
      return parts.length > 1 ? sql`(${allOf(parts)})` : allOf(parts);
    }
    case 'eq':
    case 'ne':
      return comparison(scope, where.column, where.value, (where.op === 'eq') !== negated);
    case 'isNull':
      if (!isNullable(scope, where.column)) return negated ? TRUE : FALSE;
      return negated ? sql`${column(scope, where.column)} is not null` : sql`(${isNull(scope, where.column)})`;
    case 'in':
      return ofColumn(scope, where.column, negated, among(scope, where.column, where.values));
    case 'range':
      return ofColumn(scope, where.column, negated, between(scope, where));
    case 'prefix': {
      const after = afterPrefix(where.value);
      const range = { op: 'range', column: where.column, gte: where.value } as const;
      return ofColumn(
        scope,
        where.column,
        negated,
        between(scope, after === undefined ? range : { ...range, lt: after }),
      );
    }
    case 'like':
      return ofColumn(scope, where.column, negated, like(scope, where.column, where.parts));
    case 'text': {
      const query = tokens(where.query);
      if (query.length === 0) return negated ? TRUE : FALSE;
      return negated ? sql`(${matchesTokens(scope, query)}) is not true` : matchesTokens(scope, query);
    }
    case 'exists':
      return negated ? sql`not ${exists(scope, where, lookUp)}` : exists(scope, where, lookUp);
  }
}

function comparison(scope: Scope, of: string, value: Value, equal: boolean): Sql {
  if (equal) return sql`(${equals(scope, of, value)})`;
  const operator = !isNullable(scope, of)
    ? sql`<>`
    : scope.dialect === 'postgres'
      ? sql`is distinct from`
      : sql`is not`;
  return sql`${column(scope, of)} ${operator} ${parameter(scope, of, value)}`;
}

/** A condition that is null where its column is; or its opposite, which is true there. */
function ofColumn(scope: Scope, of: string, negated: boolean, test: Sql): Sql {
  if (!negated) return sql`(${present(scope, of, test)})`;
  return isNullable(scope, of) ? sql`(${column(scope, of)} is null or not (${test}))` : sql`not (${test})`;
}

function among(scope: Scope, of: string, values: readonly Value[]): Sql {
  const its = column(scope, of);
  const { type } = scope.table.columns[of];
  const encoded = values.map((value) => encode(scope.dialect, scope.table.columns[of], value));
  if (scope.dialect === 'postgres') return sql`${its} = any(${encoded})`;
  // SQLite reads a number with a fraction from text not always as JavaScript does.
  if (type === 'float') return sql`${its} in (${sql.join(encoded)})`;
  return sql`${its} in (select value from json_each(${JSON.stringify(encoded)}))`;
}

function between(scope: Scope, { column: of, gt, gte, lt, lte }: Extract<Where, { op: 'range' }>): Sql {
  const its = column(scope, of);
  const bounds: readonly (readonly [Sql, Value | undefined])[] = [
    [sql`>`, gt],
    [sql`>=`, gte],
    [sql`<`, lt],
    [sql`<=`, lte],
  ];
  return allOf(
    bounds.flatMap(([operator, value]) =>
      value === undefined ? [] : [sql`${its} ${operator} ${parameter(scope, of, value)}`],
    ),
  );
}

/** SQLite's LIKE does not tell upper from lower case; its GLOB does. */
function like(scope: Scope, of: string, parts: readonly string[]): Sql {
  const its = column(scope, of);
  if (scope.dialect === 'sqlite')
    return sql`${its} glob ${parts.map((part) => part.replaceAll(/[*?[]/g, '[$&]')).join('*')}`;
  return sql`${its} like ${parts.map((part) => part.replaceAll(/[\\%_]/g, '\\$&')).join('%')}`;
}

function exists(scope: Scope, where: Extract<Where, { op: 'exists' }>, lookUp: LookUp): Sql {
  const other: Scope = { ...scope, table: where.table, alias: `${scope.alias}e` };
  const conditions = Object.entries(where.on).map(([theirs, ours]) =>
    present(other, theirs, sql`${column(other, theirs)} = ${column(scope, ours)}`),
  );
  if (where.where) conditions.push(build(other, where.where, false, lookUp));
  // An offset keeps PostgreSQL from making a join of it.
  const apart = lookUp === 'each' && scope.dialect === 'postgres' ? sql` offset 0` : sql``;
  return sql`exists (select 1 from ${name(other.table.name)} as ${name(other.alias)} where ${allOf(conditions)}${apart})`;
}
