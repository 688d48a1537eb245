import type { AnyTable, Column } from '../../../core/contracts/tables.ts';
import {
  columnType,
  indexName,
  physicalIndexes,
  SEARCH_COLUMN,
  type Term,
  TIME_COLUMN,
  TOKEN_COLUMN,
  tokensTable,
} from '../physical.ts';
import type { SqlDialect, Statement } from '../statement.ts';

const statement = (sql: string): Statement => ({ sql, parameters: [] });

/** A name in SQL. Declared names have no quotes; `$` needs them. */
export const quoted = (name: string): string => `"${name}"`;
const list = (names: readonly string[]): string => names.map(quoted).join(', ');

const termSql = ({ column, isNull }: Term): string => (isNull ? `(${quoted(column)} IS NULL)` : quoted(column));

/** A column, as CREATE TABLE and ADD COLUMN have it. */
export function columnSql(dialect: SqlDialect, name: string, { type, nullable }: Column): string {
  return `${quoted(name)} ${columnType(dialect, type)}${nullable ? '' : ' NOT NULL'}`;
}

/** The columns that a table has besides the declared ones. */
export function ownColumns(dialect: SqlDialect, table: AnyTable): readonly string[] {
  return [
    columnSql(dialect, 'version', { type: 'int64', nullable: false }),
    ...(table.revision === undefined ? [] : [columnSql(dialect, TIME_COLUMN, { type: 'timestamp', nullable: true })]),
    ...(table.searchable.length > 0 && dialect === 'postgres' ? [`${quoted(SEARCH_COLUMN)} tsvector`] : []),
  ];
}

/** The statements that make a declared table with its indexes, and in SQLite the table of its tokens. */
export function createStatements(dialect: SqlDialect, table: AnyTable): readonly Statement[] {
  const columns = Object.entries<Column>(table.columns).map(([name, column]) => columnSql(dialect, name, column));
  const primary = `CONSTRAINT ${quoted(indexName(table, 'primary'))} PRIMARY KEY (${list(table.primaryKey)})`;
  const body = [...columns, ...ownColumns(dialect, table), primary].join(', ');
  return [
    statement(`CREATE TABLE ${quoted(table.name)} (${body})${dialect === 'sqlite' ? ' STRICT' : ''}`),
    ...indexStatements(dialect, table),
    ...searchStatements(dialect, table),
  ];
}

/** The declared indexes and unique keys. */
export function indexStatements(dialect: SqlDialect, table: AnyTable): readonly Statement[] {
  return physicalIndexes(dialect, table).map(({ name, unique, terms }) =>
    statement(
      `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${quoted(name)} ON ${quoted(table.name)} (${terms.map(termSql).join(', ')})`,
    ),
  );
}

/** What search needs beside the table's columns; nothing where nothing is searchable. */
export function searchStatements(dialect: SqlDialect, table: AnyTable): readonly Statement[] {
  if (table.searchable.length === 0) return [];
  const index = quoted(indexName(table, SEARCH_COLUMN));
  if (dialect === 'postgres')
    return [statement(`CREATE INDEX ${index} ON ${quoted(table.name)} USING gin (${quoted(SEARCH_COLUMN)})`)];
  const tokens = quoted(tokensTable(table));
  const keys = table.primaryKey.map((name: string) => columnSql(dialect, name, table.columns[name]));
  const primary = `PRIMARY KEY (${list([TOKEN_COLUMN, ...table.primaryKey])})`;
  return [
    statement(
      `CREATE TABLE ${tokens} (${quoted(TOKEN_COLUMN)} text NOT NULL, ${keys.join(', ')}, ${primary}) STRICT, WITHOUT ROWID`,
    ),
    statement(`CREATE INDEX ${index} ON ${tokens} (${list(table.primaryKey)})`),
  ];
}
