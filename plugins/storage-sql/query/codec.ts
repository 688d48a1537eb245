import type { Value } from '../../../core/contracts/query.ts';
import { type AnyTable, type Column, int64, type Json } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import type { SqlRow } from '../database.ts';
import type { SqlDialect } from '../statement.ts';

/**
 * Values on their way to a database and back. What is stored was checked by core/lib/rows.ts, so nothing is checked
 * again. Drivers differ in what they make of an int64 (number, text or bigint) and of a json column, which is therefore
 * read as text.
 */

/** The column that the store keeps in every table. */
export const VERSION: Column = int64();

const columnOf = (table: AnyTable, name: string): Column => (name === 'version' ? VERSION : table.columns[name]);

/** The value as a parameter of a statement. */
export function encode(dialect: SqlDialect, column: Column, value: Value | Json): unknown {
  if (value === null) return null;
  if (column.type === 'json') return JSON.stringify(value);
  if (column.type === 'bool' && dialect === 'sqlite') return value ? 1 : 0;
  return value;
}

type Decoder = (value: unknown) => Value | Json;

function deepFreeze(value: Json): Json {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}

const toNumber: Decoder = (value) => Number(value);
const toBool: Decoder = (value) => value === true || Number(value) === 1;
const toJson: Decoder = (value) => deepFreeze(JSON.parse(value as string));
const asItIs: Decoder = (value) => value as Value;

function decoderOf({ type }: Column): Decoder {
  switch (type) {
    case 'int64':
    case 'timestamp':
    case 'float':
      return toNumber;
    case 'bool':
      return toBool;
    case 'json':
      return toJson;
    default:
      return asItIs;
  }
}

/** The value of a column, as the statement's row has it: a json column as `selectList` reads it, as text. */
export const decode = (column: Column, value: unknown): Value | Json =>
  value === null ? null : decoderOf(column)(value);

interface Shape {
  readonly names: readonly string[];
  readonly decoders: readonly Decoder[];
  /** Copied for each row, so that all rows of a table have one hidden class. */
  readonly empty: Readonly<Record<string, null>>;
  readonly lists: Readonly<Record<SqlDialect, string>>;
}
const shapes = new WeakMap<AnyTable, Shape>();

function shapeOf(table: AnyTable): Shape {
  let shape = shapes.get(table);
  if (!shape) {
    const names = [...Object.keys(table.columns), 'version'];
    const list = (dialect: SqlDialect) =>
      names
        .map((name) =>
          dialect === 'postgres' && columnOf(table, name).type === 'json'
            ? `"${name}"::text AS "${name}"`
            : `"${name}"`,
        )
        .join(', ');
    shape = {
      names,
      decoders: names.map((name) => decoderOf(columnOf(table, name))),
      empty: Object.fromEntries(names.map((name) => [name, null])),
      lists: { postgres: list('postgres'), sqlite: list('sqlite') },
    };
    shapes.set(table, shape);
  }
  return shape;
}

/** What a SELECT or RETURNING names so that `decodeRow` can read it; columns are not qualified. */
export const selectList = (dialect: SqlDialect, table: AnyTable): string => shapeOf(table).lists[dialect];

/** The row of `selectList`, as the store returns it: every column there, frozen. */
export function decodeRow(table: AnyTable, row: SqlRow): StoredRow {
  const { names, decoders, empty } = shapeOf(table);
  const decoded: Record<string, Value | Json> = { ...empty };
  for (let i = 0; i < names.length; i++) {
    const value = row[names[i]!];
    decoded[names[i]!] = value === null ? null : decoders[i]!(value);
  }
  return Object.freeze(decoded) as StoredRow;
}
