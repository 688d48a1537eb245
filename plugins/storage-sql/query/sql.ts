import { createQueryId, PostgresQueryCompiler, type RawBuilder, SqliteQueryCompiler, sql } from 'kysely';
import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable, Column } from '../../../core/contracts/tables.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { encode } from './codec.ts';

/** A piece of SQL with its parameters. */
export type Sql = RawBuilder<unknown>;

export const TRUE = sql`true`;
export const FALSE = sql`false`;

/** The rows of one table, under a name of their own in a statement. */
export interface Scope {
  readonly dialect: SqlDialect;
  readonly table: AnyTable;
  readonly alias: string;
}

const compilers = { postgres: new PostgresQueryCompiler(), sqlite: new SqliteQueryCompiler() };

/** The statement as the database gets it. The text is the same for every query of one shape. */
export const compile = (dialect: SqlDialect, piece: Sql): Statement =>
  compilers[dialect].compileQuery(piece.toOperationNode(), createQueryId());

/** A name in SQL. Declared names have no quotes; those with a `$` need them. */
export const name = (identifier: string): Sql => sql.raw(`"${identifier}"`);
export const column = ({ alias }: Scope, of: string): Sql => sql.raw(`"${alias}"."${of}"`);
export const columnsOf = (scope: Scope, names: readonly string[]): Sql =>
  sql.join(names.map((each) => column(scope, each)));

const typeOf = ({ table }: Scope, of: string): Column => table.columns[of];
export const isNullable = (scope: Scope, of: string): boolean => typeOf(scope, of).nullable;

/** The value as a parameter, to be compared with a column. */
export const parameter = ({ dialect, ...scope }: Scope, of: string, value: Value): Sql =>
  sql`${encode(dialect, typeOf({ dialect, ...scope }, of), value)}`;

/** SQLite takes conditions that are nested 1,000 deep, and to it a list of them is nested as deep as it is long. */
const MOST_IN_A_ROW = 100;

function joined(parts: readonly Sql[], by: Sql): Sql {
  if (parts.length <= MOST_IN_A_ROW) return sql.join(parts, by);
  const groups: Sql[] = [];
  for (let from = 0; from < parts.length; from += MOST_IN_A_ROW)
    groups.push(sql`(${sql.join(parts.slice(from, from + MOST_IN_A_ROW), by)})`);
  return joined(groups, by);
}

export const allOf = (parts: readonly Sql[]): Sql => (parts.length === 0 ? TRUE : joined(parts, sql` and `));
export const anyOf = (parts: readonly Sql[]): Sql => (parts.length === 0 ? FALSE : sql`(${joined(parts, sql` or `)})`);

/** Where a nullable column stands in an index of SQLite, `(column IS NULL)` stands before it; see physical.ts. */
const hasNullTerm = (scope: Scope, of: string): boolean => scope.dialect === 'sqlite' && isNullable(scope, of);

/** That a column has no value, or has one; in the terms of an index. */
export const isNull = (scope: Scope, of: string): Sql => {
  const its = column(scope, of);
  return hasNullTerm(scope, of) ? sql`(${its} is null) = 1 and ${its} is null` : sql`${its} is null`;
};
export const isNotNull = (scope: Scope, of: string): Sql => {
  const its = column(scope, of);
  return hasNullTerm(scope, of) ? sql`(${its} is null) = 0` : sql`${its} is not null`;
};

/** A condition that no row without a value in the column meets; in the terms of an index. */
export const present = (scope: Scope, of: string, condition: Sql): Sql =>
  hasNullTerm(scope, of) ? sql`${isNotNull(scope, of)} and ${condition}` : condition;

/** That the column has this value, or none; in the terms of an index. */
export const equals = (scope: Scope, of: string, value: Value | null): Sql =>
  value === null ? isNull(scope, of) : present(scope, of, sql`${column(scope, of)} = ${parameter(scope, of, value)}`);
