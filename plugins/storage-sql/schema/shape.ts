import type { AnyTable, Column } from '../../../core/contracts/tables.ts';
import {
  columnType,
  indexName,
  physicalIndexes,
  SEARCH_COLUMN,
  TIME_COLUMN,
  TOKEN_COLUMN,
  tokensTable,
} from '../physical.ts';
import type { SqlDialect } from '../statement.ts';

/** Tables as a database has them, or should: what is declared and what is there are compared in these terms. */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly ColumnShape[];
  readonly primaryKey: readonly string[];
  readonly indexes: readonly IndexShape[];
  /** SQLite: rows stand in the primary key itself. */
  readonly withoutRowid?: true;
}

export interface ColumnShape {
  readonly name: string;
  /** As physical.ts writes it: 'bigint', 'text COLLATE "C"'. */
  readonly type: string;
  readonly nullable: boolean;
}

export interface IndexShape {
  readonly name: string;
  readonly unique: boolean;
  readonly using: string;
  /** 'column', or 'column IS NULL'; names have no spaces. */
  readonly terms: readonly string[];
  /** The statement that made it, where the database keeps that. */
  readonly sql?: string;
}

/** The tables that stand for a declared one: itself, and in SQLite that of its tokens. */
export function shapesOf(dialect: SqlDialect, table: AnyTable): readonly TableShape[] {
  const column = (name: string, { type, nullable }: Column): ColumnShape => ({
    name,
    type: columnType(dialect, type),
    nullable,
  });
  const declared = Object.entries<Column>(table.columns).map(([name, one]) => column(name, one));
  const searchable = table.searchable.length > 0;
  const searchIndex = indexName(table, SEARCH_COLUMN);
  const indexes = physicalIndexes(dialect, table).map(({ name, unique, terms }) => ({
    name,
    unique,
    using: 'btree',
    terms: terms.map((term) => (term.isNull ? `${term.column} IS NULL` : term.column)),
  }));
  const inRow = searchable && dialect === 'postgres';
  const rows: TableShape = {
    name: table.name,
    columns: [
      ...declared,
      column('version', { type: 'int64', nullable: false }),
      ...(table.revision === undefined ? [] : [column(TIME_COLUMN, { type: 'timestamp', nullable: true })]),
      ...(inRow ? [{ name: SEARCH_COLUMN, type: 'tsvector', nullable: true }] : []),
    ],
    primaryKey: table.primaryKey,
    indexes: inRow ? [...indexes, { name: searchIndex, unique: false, using: 'gin', terms: [SEARCH_COLUMN] }] : indexes,
  };
  if (!searchable || inRow) return [rows];
  const tokens: TableShape = {
    name: tokensTable(table),
    columns: [
      column(TOKEN_COLUMN, { type: 'text', nullable: false }),
      ...table.primaryKey.map((name: string) => column(name, table.columns[name])),
    ],
    primaryKey: [TOKEN_COLUMN, ...table.primaryKey],
    indexes: [{ name: searchIndex, unique: false, using: 'btree', terms: table.primaryKey }],
    withoutRowid: true,
  };
  return [rows, tokens];
}
