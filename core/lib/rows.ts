import type { Value } from '../contracts/query.ts';
import { type Key, StoreError } from '../contracts/store.ts';
import type { AnyTable, Column, Json } from '../contracts/tables.ts';

/**
 * Rows checked against their table's columns, the same for every backend. What does not fit is a StoreError
 * 'invalid' whose key is the column.
 */

/** A row as the store keeps it, of whatever table. */
export type StoredRow = { readonly [column: string]: Value | Json } & { readonly version: number };
type Values = Readonly<Record<string, unknown>>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAX_JSON_DEPTH = 100;

const invalid = (table: AnyTable, key: string, problem: string): StoreError =>
  new StoreError('invalid', `${table.name}.${key}: ${problem}`, { table: table.name, key });

const textProblem = (value: string): string | undefined => {
  if (!value.isWellFormed()) return 'holds half of a surrogate pair';
  return value.includes('\0') ? 'holds U+0000' : undefined;
};

/** What is wrong with a value, apart from its length; undefined when it is of the type. */
function problem(type: Exclude<Column['type'], 'json'>, value: unknown): string | undefined {
  switch (type) {
    case 'text':
      return typeof value === 'string' ? textProblem(value) : 'must be text';
    case 'uuid':
      return typeof value === 'string' && UUID.test(value) ? undefined : 'must be a UUID in lower case';
    case 'bool':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'float':
      return Number.isFinite(value) ? undefined : 'must be a finite number';
    default:
      return Number.isSafeInteger(value) ? undefined : 'must be an integer between -(2^53 - 1) and 2^53 - 1';
  }
}

const longer = (text: string, most: number): boolean =>
  text.length > most && (text.length > 2 * most || Array.from(text).length > most);

/** The value itself where it is deeply frozen already, else a frozen copy. Throws what is wrong, as text. */
function frozenJson(value: unknown, depth = 0): Json {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    const wrong = textProblem(value);
    if (wrong) throw wrong;
    return value;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw 'holds a number that is not finite';
    return value + 0;
  }
  if (typeof value !== 'object') throw `holds ${typeof value}, which is not JSON`;
  if (depth === MAX_JSON_DEPTH) throw `is nested more than ${MAX_JSON_DEPTH} deep`;
  if (isFrozenJson(value, depth)) return value;
  if (Array.isArray(value)) return Object.freeze(Array.from(value, (item) => frozenJson(item, depth + 1)));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw 'holds an object that is not plain';
  const entries = Object.entries(value);
  for (const entry of entries) {
    const wrong = textProblem(entry[0]);
    if (wrong) throw wrong;
    entry[1] = frozenJson(entry[1], depth + 1);
  }
  return Object.freeze(Object.fromEntries(entries));
}

/** Whether it is JSON that is deeply frozen, such as a row: most of what is stored, so nothing is made to find out. */
function isFrozenJson(value: unknown, depth: number): value is Json {
  switch (typeof value) {
    case 'string':
      return textProblem(value) === undefined;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'boolean':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth === MAX_JSON_DEPTH || !Object.isFrozen(value)) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isFrozenJson(value[i], depth + 1)) return false;
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const name in value) {
    if (textProblem(name) || !isFrozenJson((value as Record<string, unknown>)[name], depth + 1)) return false;
  }
  return true;
}

/** The value as it is stored. JSON's null is no value, so a json column that is not nullable refuses it. */
function checked(table: AnyTable, name: string, column: Column, value: unknown): Value | Json {
  if (value === null || value === undefined) {
    if (column.nullable) return null;
    throw invalid(table, name, 'must have a value');
  }
  if (column.type === 'json') {
    try {
      return frozenJson(value);
    } catch (wrong) {
      if (typeof wrong !== 'string') throw wrong;
      throw invalid(table, name, wrong);
    }
  }
  const wrong = problem(column.type, value);
  if (wrong) throw invalid(table, name, wrong);
  if (value === 0) return 0; // -0 too, which is what a database gives back
  if (column.maxLength !== undefined && longer(value as string, column.maxLength))
    throw invalid(table, name, `must be at most ${column.maxLength} characters`);
  return value as Value;
}

interface Shape {
  readonly names: readonly string[];
  readonly columns: readonly Column[];
  /** Copied for each row, so that all rows of a table have one hidden class. */
  readonly empty: Readonly<Record<string, null | number>>;
}
const shapes = new WeakMap<AnyTable, Shape>();
function shapeOf(table: AnyTable): Shape {
  let shape = shapes.get(table);
  if (!shape) {
    const names = Object.keys(table.columns);
    const empty = { ...Object.fromEntries(names.map((name) => [name, null])), version: 1 };
    shape = { names, columns: names.map((name) => table.columns[name]), empty };
    shapes.set(table, shape);
  }
  return shape;
}

const columnOf = (table: AnyTable, name: string): Column => {
  if (!Object.hasOwn(table.columns, name)) throw invalid(table, name, 'is not a column');
  return table.columns[name];
};

/** The row to insert: every column there, version 1, frozen. */
export function newRow(table: AnyTable, values: Values): StoredRow {
  for (const name in values) columnOf(table, name);
  const { names, columns, empty } = shapeOf(table);
  const row: Record<string, unknown> = { ...empty };
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    row[name] = checked(table, name, columns[i]!, values[name]);
  }
  return Object.freeze(row) as StoredRow;
}

/** The row of another store, as it is there. */
export function restoredRow(table: AnyTable, { version, ...values }: Values): StoredRow {
  if (problem('int64', version) || (version as number) < 1)
    throw invalid(table, 'version', 'must be a positive integer');
  return Object.freeze({ ...newRow(table, values), version: version as number });
}

/** The patch's columns as they are stored. An undefined column is left as it is, and so is left out. */
export function checkPatch(table: AnyTable, patch: Values): Readonly<Record<string, Value | Json>> {
  const values: Record<string, Value | Json> = {};
  for (const [name, value] of Object.entries(patch)) {
    const column = columnOf(table, name);
    if (table.primaryKey.includes(name)) throw invalid(table, name, 'is part of the primary key, which never changes');
    if (value !== undefined) values[name] = checked(table, name, column, value);
  }
  return values;
}

/** The row after an update: the patch's columns, and a version one higher. */
export function updatedRow(table: AnyTable, row: StoredRow, patch: Values): StoredRow {
  return Object.freeze({ ...row, ...checkPatch(table, patch), version: row.version + 1 }) as StoredRow;
}

/** Checks what `increment` is to add. */
export function checkAmounts(table: AnyTable, amounts: Values): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const [name, amount] of Object.entries(amounts)) {
    if (columnOf(table, name).type !== 'int64') throw invalid(table, name, 'is not an int64 column');
    if (table.primaryKey.includes(name)) throw invalid(table, name, 'is part of the primary key, which never changes');
    if (amount === undefined) continue;
    const wrong = problem('int64', amount);
    if (wrong) throw invalid(table, name, wrong);
    values[name] = amount as number;
  }
  return values;
}

/** The row after an increment; `invalid` where the column is null or the sum is no safe integer. */
export function incrementedRow(table: AnyTable, row: StoredRow, amounts: Values): StoredRow {
  const next: Record<string, Value | Json> = { ...row };
  for (const [name, amount] of Object.entries(checkAmounts(table, amounts))) {
    const value = next[name];
    if (typeof value !== 'number') throw invalid(table, name, 'is null and cannot be counted up');
    if (!Number.isSafeInteger(value + amount)) throw invalid(table, name, problem('int64', undefined)!);
    next[name] = value + amount;
  }
  return Object.freeze(next) as StoredRow;
}

/** Checks a value to compare a column with, or to look it up by. Any length will do. */
export function checkValue(table: AnyTable, name: string, value: unknown): Value {
  const { type } = columnOf(table, name);
  if (type === 'json') throw invalid(table, name, 'is json, which is not compared');
  const wrong = problem(type, value);
  if (wrong) throw invalid(table, name, wrong);
  return value as Value;
}

/** The values of a primary key, in the declared order. */
export function keyValues(table: AnyTable, key: Key): readonly Value[] {
  const values = Array.isArray(key) ? (key as readonly Value[]) : [key as Value];
  if (values.length !== table.primaryKey.length)
    throw invalid(table, table.primaryKey[0]!, `a key has ${table.primaryKey.length} values`);
  for (let i = 0; i < values.length; i++) checkValue(table, table.primaryKey[i]!, values[i]);
  return values;
}
