import { point } from '../kernel/plugin.ts';

/**
 * What a table looks like. A service plugin declares its tables and contributes them; every storage plugin can
 * then hold them. The row type is inferred from the declaration.
 *
 * Every table also has a column `version` (int64), kept by the store: 1 when a row is inserted, one more with each
 * update; `increment` leaves it alone. It is what an etag is made of.
 */

export interface ColumnTypes {
  /** Well-formed Unicode without U+0000; ordered by code point. */
  text: string;
  /** A safe integer: -(2^53 - 1) to 2^53 - 1. */
  int64: number;
  /** A finite number. */
  float: number;
  bool: boolean;
  /** JSON values; not indexed, not compared, deeply frozen. JSON's null on its own is no value. */
  json: NonNullable<Json>;
  /** Lower-case, with dashes. */
  uuid: string;
  /** Microseconds since 1970-01-01T00:00:00Z; a safe integer. */
  timestamp: number;
}
export type ColumnType = keyof ColumnTypes;
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Column<T extends ColumnType = ColumnType, N extends boolean = boolean> {
  readonly type: T;
  readonly nullable: N;
  /** Only text: the most characters (code points) it may hold. */
  readonly maxLength?: number;
}
export type Columns = Readonly<Record<string, Column>>;

type ColumnValue<C> = C extends Column<infer T, infer N> ? ColumnTypes[T] | (true extends N ? null : never) : never;

/** A row as the store returns it: every column is there, null where there is no value. Frozen. */
export type RowOf<C extends Columns> = { readonly [K in keyof C]: ColumnValue<C[K]> } & { readonly version: number };
/** A row to insert: a nullable column may be left out. */
export type NewRowOf<C extends Columns> = {
  readonly [K in keyof C as null extends ColumnValue<C[K]> ? never : K]: ColumnValue<C[K]>;
} & { readonly [K in keyof C as null extends ColumnValue<C[K]> ? K : never]?: ColumnValue<C[K]> };

export interface Table<C extends Columns = Columns> {
  readonly name: string;
  readonly columns: C;
  /** The columns whose values together name a row. They never change. */
  readonly primaryKey: readonly (keyof C & string)[];
  /**
   * Unique keys by name; `already_exists` says which. A row in which one of the columns is null is not held
   * against the others. A unique key is also an ordered index.
   */
  readonly unique: Readonly<Record<string, readonly (keyof C & string)[]>>;
  /** Ordered indexes by name. The primary key follows the columns as the last tie-breaker. */
  readonly indexes: Readonly<Record<string, readonly (keyof C & string)[]>>;
  /** The text columns that `text` conditions search, through the tokenizer of core/lib. */
  readonly searchable: readonly (keyof C & string)[];
  /** The int64 column that counts this row's revisions, where rows are scopes of the change log (see log.ts). */
  readonly revision: (keyof C & string) | undefined;
}
// biome-ignore lint/suspicious/noExplicitAny: a table of any columns
export type AnyTable = Table<any>;
export type Row<T extends AnyTable> = T extends Table<infer C> ? RowOf<C> : never;
export type NewRow<T extends AnyTable> = T extends Table<infer C> ? NewRowOf<C> : never;

/** The tables of every plugin. A storage plugin collects them; names are unique across plugins. */
export const tables = point<AnyTable>('storage.tables');

// Overloads rather than a type parameter for `nullable`: it would be inferred from where the column is used.
interface ColumnMaker<T extends ColumnType> {
  (options: { readonly nullable: true; readonly maxLength?: number }): Column<T, true>;
  (options?: { readonly nullable?: false; readonly maxLength?: number }): Column<T, false>;
}

function column<T extends ColumnType>(type: T): ColumnMaker<T> {
  const make = (options: { readonly nullable?: boolean; readonly maxLength?: number } = {}): Column =>
    Object.freeze({ type, nullable: false, ...options });
  return make as ColumnMaker<T>;
}

/** The makers of columns: `text({ maxLength: 200 })`, `timestamp({ nullable: true })` ... */
export const text = column('text');
export const int64 = column('int64');
export const float = column('float');
export const bool = column('bool');
export const json = column('json');
export const uuid = column('uuid');
export const timestamp = column('timestamp');

const IDENTIFIER = /^[a-z][a-z0-9_]{0,49}$/;

/**
 * Declares a table. Throws a TypeError that names the mistake: a bad name, a key or an index over a column that
 * does not exist or cannot be ordered, a searchable column that is not text.
 */
export function defineTable<const C extends Columns>(spec: {
  readonly name: string;
  readonly columns: C;
  readonly primaryKey: readonly (keyof C & string)[];
  readonly unique?: Readonly<Record<string, readonly (keyof C & string)[]>>;
  readonly indexes?: Readonly<Record<string, readonly (keyof C & string)[]>>;
  readonly searchable?: readonly (keyof C & string)[];
  readonly revision?: keyof C & string;
}): Table<C> {
  const fail = (problem: string): never => {
    throw new TypeError(`table '${spec.name}': ${problem}`);
  };
  const names = Object.keys(spec.columns);
  for (const name of [spec.name, ...names, ...Object.keys(spec.unique ?? {}), ...Object.keys(spec.indexes ?? {})])
    if (!IDENTIFIER.test(name)) fail(`'${name}' is not a name: a-z, 0-9 and _, at most 50`);
  if (names.includes('version')) fail("'version' is kept by the store and is not declared");
  const check = (what: string, columns: readonly string[]) => {
    if (columns.length === 0 || new Set(columns).size !== columns.length)
      fail(`${what} must name one or more different columns`);
    for (const name of columns) {
      if (!spec.columns[name]) fail(`${what} names '${name}', which is not a column`);
      if (spec.columns[name]?.type === 'json') fail(`${what} names '${name}', and json cannot be ordered`);
    }
  };
  check('primaryKey', spec.primaryKey);
  for (const name of spec.primaryKey)
    if (spec.columns[name]?.nullable) fail(`primaryKey names '${name}', which is nullable`);
  for (const [name, columns] of Object.entries(spec.unique ?? {})) check(`unique '${name}'`, columns);
  for (const [name, columns] of Object.entries(spec.indexes ?? {})) check(`index '${name}'`, columns);
  const both = Object.keys(spec.unique ?? {}).find((name) => spec.indexes && name in spec.indexes);
  if (both) fail(`'${both}' is both a unique key and an index`);
  for (const name of spec.searchable ?? [])
    if (spec.columns[name]?.type !== 'text') fail(`searchable names '${name}', which is not text`);
  if (
    spec.revision !== undefined &&
    (spec.columns[spec.revision]?.type !== 'int64' || spec.columns[spec.revision]?.nullable)
  )
    fail(`revision must name an int64 column that is not nullable`);
  return Object.freeze({
    name: spec.name,
    columns: spec.columns,
    primaryKey: spec.primaryKey,
    unique: spec.unique ?? {},
    indexes: spec.indexes ?? {},
    searchable: spec.searchable ?? [],
    revision: spec.revision,
  });
}
