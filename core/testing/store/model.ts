import { isDeepStrictEqual } from 'node:util';
import type { Order, Where } from '../../contracts/query.ts';
import type { AnyTable } from '../../contracts/tables.ts';
import { tokens } from '../../lib/tokenizer.ts';

/**
 * The store as simply as it can be said: arrays and full scans. It shares nothing with a real store but the
 * tokenizer, whose tokens are what text search is defined by.
 */

export type ModelRow = Readonly<Record<string, unknown>>;
/** Rows by table. Transactions and snapshots are copies. */
export type Model = ReadonlyMap<string, readonly ModelRow[]>;

/** What a store must refuse, and the keys that it may name. */
export class Refusal extends Error {
  readonly kind: string;
  readonly keys: readonly string[];
  constructor(kind: string, keys: readonly string[] = []) {
    super(`expected to be refused: ${kind} ${keys.join()}`);
    this.kind = kind;
    this.keys = keys;
  }
}

const codePoints = (text: string) => Array.from(text, (character) => character.codePointAt(0)!);

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a !== 'string') return Number(a) - Number(b);
  const [x, y] = [codePoints(a), codePoints(b as string)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!;
  return x.length - y.length;
}

export function matches(model: Model, table: AnyTable, row: ModelRow, where: Where): boolean {
  switch (where.op) {
    case 'eq':
      return row[where.column] === where.value;
    case 'ne':
      return !matches(model, table, row, { ...where, op: 'eq' });
    case 'in':
      return where.values.some((value) => row[where.column] === value);
    case 'isNull':
      return row[where.column] === null;
    case 'prefix':
      return row[where.column] !== null && String(row[where.column]).startsWith(where.value);
    case 'like': {
      const escaped = where.parts.map((part) =>
        part.replace(/[^a-z0-9]/giu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`),
      );
      const value = row[where.column];
      return value !== null && new RegExp(`^${escaped.join('.*')}$`, 'su').test(String(value));
    }
    case 'range': {
      const value = row[where.column];
      if (value === null) return false;
      if (where.gt !== undefined && compare(value, where.gt) <= 0) return false;
      if (where.gte !== undefined && compare(value, where.gte) < 0) return false;
      if (where.lt !== undefined && compare(value, where.lt) >= 0) return false;
      return where.lte === undefined || compare(value, where.lte) <= 0;
    }
    case 'text': {
      const there = table.searchable.flatMap((column) => tokens((row[column] as string | null) ?? ''));
      const wanted = tokens(where.query);
      return wanted.length > 0 && wanted.every((prefix) => there.some((token) => token.startsWith(prefix)));
    }
    case 'exists':
      return model
        .get(where.table.name)!
        .some(
          (other) =>
            Object.entries(where.on).every(([theirs, ours]) => row[ours] !== null && other[theirs] === row[ours]) &&
            (!where.where || matches(model, where.table, other, where.where)),
        );
    case 'and':
      return where.all.every((part) => matches(model, table, row, part));
    case 'or':
      return where.all.some((part) => matches(model, table, row, part));
    case 'not':
      return !matches(model, table, row, where.where);
  }
}

export function select(model: Model, table: AnyTable, where: Where, orderBy?: Order): ModelRow[] {
  const columns = [...(orderBy?.columns ?? []), ...table.primaryKey];
  const rows = model
    .get(table.name)!
    .filter((row) => matches(model, table, row, where))
    .sort((a, b) => columns.map((column) => compare(a[column], b[column])).find((order) => order !== 0) ?? 0);
  return orderBy?.descending ? rows.reverse() : rows;
}

export function groups(model: Model, table: AnyTable, where: Where, by: readonly string[]) {
  const found: { group: ModelRow; count: number }[] = [];
  for (const row of select(model, table, where)) {
    const group = Object.fromEntries(by.map((column) => [column, row[column]]));
    const same = found.find((each) => isDeepStrictEqual(each.group, group));
    if (same) same.count++;
    else found.push({ group, count: 1 });
  }
  return found.sort(
    (a, b) => by.map((column) => compare(a.group[column], b.group[column])).find((order) => order !== 0) ?? 0,
  );
}

export const keyOf = (table: AnyTable, row: ModelRow) => table.primaryKey.map((column) => row[column]);

/** The row with this key, or undefined. */
export const lookUp = (model: Model, table: AnyTable, key: readonly unknown[]) =>
  model.get(table.name)!.find((row) => isDeepStrictEqual(keyOf(table, row), key));

/** The model with a row replaced, added or taken away. Throws a Refusal where a key is taken. */
export function put(model: Model, table: AnyTable, before: ModelRow | undefined, after: ModelRow | undefined): Model {
  const others = model.get(table.name)!.filter((row) => row !== before);
  if (after) {
    const uniques: Record<string, readonly string[]> = { primary: table.primaryKey, ...table.unique };
    const taken = Object.entries(uniques).filter(
      ([, columns]) =>
        columns.every((column) => after[column] !== null) &&
        others.some((row) => columns.every((column) => row[column] === after[column])),
    );
    if (taken.length > 0)
      throw new Refusal(
        'already_exists',
        taken.map(([name]) => name),
      );
    others.push(after);
  }
  return new Map(model).set(table.name, others);
}
