import type { AnyTable } from '../../../core/contracts/tables.ts';
import { indexName } from '../physical.ts';
import type { SqlDialect, Statement } from '../statement.ts';
import { type ColumnShape, type IndexShape, shapesOf, type TableShape } from './shape.ts';

const statement = (sql: string): Statement => ({ sql, parameters: [] });

/** A name in SQL. Declared names hold no quotes, and the store's own have a `$`, which needs them. */
export const quoted = (name: string): string => `"${name}"`;
export const quotedList = (names: readonly string[]): string => names.map(quoted).join(', ');

const columnSql = ({ name, type, nullable }: ColumnShape): string =>
  `${quoted(name)} ${type}${nullable ? '' : ' NOT NULL'}`;

const termSql = (term: string): string => {
  const [column, ...isNull] = term.split(' ');
  return isNull.length > 0 ? `(${quoted(column!)} IS NULL)` : quoted(column!);
};

/** The statements that make a declared table with its indexes, and in SQLite the table of its tokens. */
export function createStatements(dialect: SqlDialect, table: AnyTable): readonly Statement[] {
  return shapesOf(dialect, table).flatMap((shape) => createTable(dialect, shape));
}

/** A table, of another name where one is given, and its indexes. */
export function createTable(dialect: SqlDialect, shape: TableShape): readonly Statement[] {
  return [createRows(dialect, shape, shape.name), ...shape.indexes.map((index) => createIndex(shape.name, index))];
}

function createRows(dialect: SqlDialect, shape: TableShape, name: string): Statement {
  const primary = `CONSTRAINT ${quoted(indexName(shape, 'primary'))} PRIMARY KEY (${quotedList(shape.primaryKey)})`;
  const options = dialect === 'postgres' ? '' : shape.withoutRowid ? ' STRICT, WITHOUT ROWID' : ' STRICT';
  return statement(`CREATE TABLE ${quoted(name)} (${[...shape.columns.map(columnSql), primary].join(', ')})${options}`);
}

export function createIndex(table: string, { name, unique, using, terms, sql }: IndexShape): Statement {
  if (sql !== undefined) return statement(sql);
  const method = using === 'btree' ? '' : ` USING ${using}`;
  return statement(
    `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${quoted(name)} ON ${quoted(table)}${method} (${terms.map(termSql).join(', ')})`,
  );
}

export const dropIndex = (name: string): Statement => statement(`DROP INDEX ${quoted(name)}`);
export const dropTable = (name: string): Statement => statement(`DROP TABLE ${quoted(name)}`);

/** A column that may be null, and what PostgreSQL and SQLite both can. */
export const addColumn = (table: string, column: ColumnShape): Statement =>
  statement(`ALTER TABLE ${quoted(table)} ADD COLUMN ${columnSql(column)}`);

/**
 * Makes another table of the one that is there: what PostgreSQL does by `alter`, and SQLite by copying its rows, for it
 * changes no column. Columns that only one of the two has are not copied. STRICT refuses what does not fit the new type.
 */
export function alterTable(dialect: SqlDialect, from: TableShape, to: TableShape, alter: string): readonly Statement[] {
  if (dialect === 'postgres') return [statement(`ALTER TABLE ${quoted(to.name)} ${alter}`)];
  const copy = `${to.name}$copy`;
  const kept = quotedList(
    to.columns.map(({ name }) => name).filter((name) => from.columns.some((column) => column.name === name)),
  );
  return [
    createRows(dialect, to, copy),
    statement(`INSERT INTO ${quoted(copy)} (${kept}) SELECT ${kept} FROM ${quoted(to.name)}`),
    dropTable(to.name),
    statement(`ALTER TABLE ${quoted(copy)} RENAME TO ${quoted(to.name)}`),
    ...to.indexes.map((index) => createIndex(to.name, index)),
  ];
}
