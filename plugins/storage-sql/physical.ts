import { createHash } from 'node:crypto';
import type { AnyTable, ColumnType } from '../../core/contracts/tables.ts';
import { indexesOf } from '../../core/lib/index-choice.ts';
import type { SqlDialect } from './statement.ts';

/**
 * How a declared table stands in a database. Tables and columns keep their declared names, and get `version`. Names with
 * a `$` are the store's own, which no declaration can have.
 *
 * Order is by code point: text is COLLATE "C" in PostgreSQL and BINARY in SQLite. Null sorts after every value, as it
 * does in PostgreSQL's indexes; in SQLite, where it would come first, a nullable column of an index is preceded by
 * `(column IS NULL)`. (In PostgreSQL no `(column IS NULL) = false` would find its way to such an index: measured.) A
 * condition that names the terms held equal and compares the rest as a row is one stretch of the index, where none of
 * these is nullable; else the rows without a value are a stretch of their own.
 *
 * Searchable tables: in PostgreSQL a column `$search` (tsvector, made by array_to_tsvector of the tokenizer's tokens) with a
 * GIN index; in SQLite a table `<table>$tokens ($token, <primary key>)` WITHOUT ROWID, and an index on its primary key columns.
 *
 * Tables with a `revision` have a column `$time`: the time of the last transaction that emitted in the scope, which the
 * next must exceed.
 */

const COLUMN_TYPES: Readonly<Record<SqlDialect, Readonly<Record<ColumnType, string>>>> = {
  postgres: {
    text: 'text COLLATE "C"',
    int64: 'bigint',
    float: 'double precision',
    bool: 'boolean',
    json: 'json',
    uuid: 'uuid',
    timestamp: 'bigint',
  },
  sqlite: {
    text: 'text',
    int64: 'integer',
    float: 'real',
    bool: 'integer',
    json: 'text',
    uuid: 'text',
    timestamp: 'integer',
  },
};

export const columnType = (dialect: SqlDialect, type: ColumnType): string => COLUMN_TYPES[dialect][type];

/** The column of tsvector in PostgreSQL. */
export const SEARCH_COLUMN = '$search';
/** The column of a scope's last time, in microseconds; null before the first. */
export const TIME_COLUMN = '$time';
/** SQLite: the table of a searchable table's tokens, and its column of the token. */
export const TOKEN_COLUMN = '$token';
export const tokensTable = (table: AnyTable): string => `${table.name}$tokens`;

/** PostgreSQL cuts longer names. */
const LONGEST_NAME = 63;

/** '<table>__<name>', cut and marked by a digest where it is too long for PostgreSQL. */
export function indexName(table: { readonly name: string }, name: string): string {
  const full = `${table.name}__${name}`;
  if (full.length <= LONGEST_NAME) return full;
  return `${full.slice(0, LONGEST_NAME - 9)}_${createHash('sha256').update(full).digest('hex').slice(0, 8)}`;
}

/** A term of an index and of an order: the column, or whether it is null. */
export interface Term {
  readonly column: string;
  readonly isNull: boolean;
}

/** The terms that an order of these columns has. */
export const termsOf = (dialect: SqlDialect, table: AnyTable, columns: readonly string[]): readonly Term[] =>
  columns.flatMap((column) =>
    dialect === 'sqlite' && table.columns[column].nullable
      ? [
          { column, isNull: true },
          { column, isNull: false },
        ]
      : [{ column, isNull: false }],
  );

export interface PhysicalIndex {
  /** In the database. */
  readonly name: string;
  /** As declared, or 'primary'. */
  readonly key: string;
  readonly unique: boolean;
  readonly terms: readonly Term[];
}

/**
 * The indexes of a table apart from its primary key, which is a constraint of the name `indexName(table, 'primary')`. A
 * unique key of columns that are never null orders by itself. One with nullable columns has, beside the unique index,
 * an ordered one with the primary key behind it, named '<key>_order'.
 */
export function physicalIndexes(dialect: SqlDialect, table: AnyTable): readonly PhysicalIndex[] {
  return indexesOf(table).flatMap(({ name: key, columns, unique }): PhysicalIndex[] => {
    if (key === 'primary') return [];
    const ordered = termsOf(dialect, table, columns);
    const name = indexName(table, key);
    if (!unique) return [{ name, key, unique: false, terms: ordered }];
    const own = unique.map((column) => ({ column, isNull: false }));
    const index = { name, key, unique: true, terms: own };
    if (unique.every((column) => !table.columns[column].nullable)) return [index];
    return [index, { name: indexName(table, `${key}_order`), key, unique: false, terms: ordered }];
  });
}
