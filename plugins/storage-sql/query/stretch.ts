import { sql } from 'kysely';
import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { type IndexChoice, indexesOf } from '../../../core/lib/index-choice.ts';
import { type PhysicalIndex, physicalIndexes, type Term, termsOf } from '../physical.ts';
import type { SqlDialect } from '../statement.ts';
import { column, columnsOf, equals, isNotNull, isNull, isNullable, parameter, type Scope, type Sql } from './sql.ts';

/** A stretch of an index: what bounds it, and its order. */
export interface Stretch {
  readonly where: readonly Sql[];
  readonly order: readonly Term[];
}

export type Place = Readonly<Record<string, Value | null>>;

/** The index that gives an order, as it is in the database. */
export interface OrderedIndex {
  /** Undefined for the primary key. */
  readonly name: string | undefined;
  readonly columns: readonly string[];
}

const ordered: Readonly<Record<SqlDialect, WeakMap<AnyTable, ReadonlyMap<string, OrderedIndex>>>> = {
  postgres: new WeakMap(),
  sqlite: new WeakMap(),
};

/** The index of a name that chooseIndex gives. */
export function orderedIndex({ dialect, table }: Scope, key: string): OrderedIndex {
  let indexes = ordered[dialect].get(table);
  if (!indexes) {
    // Of a unique key that has two indexes, the second is the one in order.
    const physical = new Map<string, PhysicalIndex>(physicalIndexes(dialect, table).map((index) => [index.key, index]));
    indexes = new Map(
      indexesOf(table).map(({ name: each, columns }) => {
        const index = physical.get(each);
        return [each, { name: index?.name, columns: index?.unique ? table.unique[each]! : columns }];
      }),
    );
    ordered[dialect].set(table, indexes);
  }
  return indexes.get(key)!;
}

/** The rows of the chosen part of the index in order, those after a place where one is given; one stretch behind another. */
export function stretchesOf(
  scope: Scope,
  index: OrderedIndex,
  choice: IndexChoice,
  place: Place | undefined,
  descending: boolean,
): readonly Stretch[] {
  const held = choice.equal.map((value, i) => equals(scope, index.columns[i]!, value));
  const rest = index.columns.slice(choice.equal.length);
  const [first] = rest;
  const ranged = choice.lower !== undefined || choice.upper !== undefined;
  const bounds = ranged ? [isNotNull(scope, first!)] : [];
  if (choice.lower) bounds.push(bound(scope, first!, choice.lower, '>'));
  if (choice.upper && choice.upper.value !== null) bounds.push(bound(scope, first!, choice.upper, '<'));
  const stretches = place ? after(scope, rest, place, descending, ranged) : [whole(scope, rest, ranged)];
  // SQLite knows that a term held equal does not count in an order, and would sort for one that is named; PostgreSQL does
  // not know it of IS NULL, and sorts for one that is left out.
  const all = scope.dialect === 'postgres' ? termsOf('postgres', scope.table, index.columns) : undefined;
  return stretches.map(({ where, order }) => ({ where: [...held, ...bounds, ...where], order: all ?? order }));
}

const bound = (
  scope: Scope,
  of: string,
  { value, inclusive }: { readonly value: Value | null; readonly inclusive: boolean },
  operator: '<' | '>',
): Sql => sql`${column(scope, of)} ${sql.raw(inclusive ? `${operator}=` : operator)} ${parameter(scope, of, value!)}`;

/** All rows, by these columns. `present`: the first has a value. */
function whole({ dialect, table }: Scope, columns: readonly string[], present: boolean): Stretch {
  const [first, ...others] = columns;
  if (!present || first === undefined) return { where: [], order: termsOf(dialect, table, columns) };
  return { where: [], order: [{ column: first, isNull: false }, ...termsOf(dialect, table, others)] };
}

const within = (where: Sql, stretches: readonly Stretch[]): readonly Stretch[] =>
  stretches.map((stretch) => ({ ...stretch, where: [where, ...stretch.where] }));

/** The rows after the place, by these columns. `present`: all have a value in the first. */
function after(
  scope: Scope,
  columns: readonly string[],
  place: Place,
  descending: boolean,
  present: boolean,
): readonly Stretch[] {
  const [first, ...others] = columns as readonly [string, ...string[]];
  if (present && place[first] === null) return descending ? [whole(scope, columns, true)] : [];
  if (isNullable(scope, first) && !present) {
    const nulls = isNull(scope, first);
    const values = isNotNull(scope, first);
    if (place[first] === null) {
      const rest = within(nulls, after(scope, others, place, descending, false));
      return descending ? [...rest, ...within(values, [whole(scope, columns, true)])] : rest;
    }
    const rest = within(values, after(scope, columns, place, descending, true));
    return descending ? rest : [...rest, ...within(nulls, [whole(scope, others, false)])];
  }
  // As many columns as can be compared as one.
  const nullable = columns.findIndex((each, i) => i > 0 && isNullable(scope, each));
  const head = nullable === -1 ? columns : columns.slice(0, nullable);
  const beyond = within(compared(scope, head, place, descending), [whole(scope, columns, true)]);
  if (nullable === -1) return beyond;
  const same = head.map((each) => equals(scope, each, place[each]!)).reduce((a, b) => sql`${a} and ${b}`);
  return [...within(same, after(scope, columns.slice(nullable), place, descending, false)), ...beyond];
}

function compared(scope: Scope, columns: readonly string[], place: Place, descending: boolean): Sql {
  const values = sql.join(columns.map((each) => parameter(scope, each, place[each]!)));
  const operator = sql.raw(descending ? '<' : '>');
  if (columns.length === 1) return sql`${columnsOf(scope, columns)} ${operator} ${values}`;
  return sql`(${columnsOf(scope, columns)}) ${operator} (${values})`;
}

/** What ORDER BY has for these terms. */
export function orderBy(scope: Scope, terms: readonly Term[], descending: boolean): Sql {
  const direction = sql.raw(descending ? ' desc' : '');
  return sql.join(
    terms.map((term) => {
      const its = column(scope, term.column);
      return term.isNull ? sql`(${its} is null)${direction}` : sql`${its}${direction}`;
    }),
  );
}
