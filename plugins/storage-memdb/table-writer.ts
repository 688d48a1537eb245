import { changesTable } from '../../core/contracts/log.ts';
import type { Value } from '../../core/contracts/query.ts';
import { type Key, StoreError, type TableWriter } from '../../core/contracts/store.ts';
import type { AnyTable, NewRow, Row } from '../../core/contracts/tables.ts';
import { LOWEST } from '../../core/lib/compare.ts';
import { incrementedRow, newRow, restoredRow, type StoredRow, updatedRow } from '../../core/lib/rows.ts';
import { MemdbReader } from './table-reader.ts';
import type { Place, TableSchema } from './table-schema.ts';
import type { MemdbWrite } from './transaction.ts';

export class MemdbWriter<T extends AnyTable> extends MemdbReader<T> implements TableWriter<T> {
  declare protected readonly tx: MemdbWrite;

  constructor(tx: MemdbWrite, schema: TableSchema) {
    super(tx, schema);
  }

  insert(values: NewRow<T>): Promise<Row<T>> {
    return this.tx.run(() => {
      const row = newRow(this.schema.table, values as Readonly<Record<string, unknown>>);
      return this.#put(undefined, row);
    });
  }

  restore(row: Row<T>): Promise<void> {
    return this.tx.run(() => {
      const { table } = this.schema;
      const restored = restoredRow(table, row);
      this.#put(undefined, restored);
      if (table.name === changesTable.name) this.tx.restoredEvent(restored);
    });
  }

  update(key: Key, patch: Partial<NewRow<T>>, options: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    return this.tx.run(() => {
      const before = this.#existing(key, options.ifVersion);
      return this.#put(before, updatedRow(this.schema.table, before, patch as Readonly<Record<string, unknown>>));
    });
  }

  increment(key: Key, amounts: { readonly [K in keyof Row<T>]?: number }): Promise<Row<T>> {
    return this.tx.run(() => {
      const before = this.#existing(key);
      return this.#put(before, incrementedRow(this.schema.table, before, amounts as Readonly<Record<string, number>>));
    });
  }

  delete(key: Key, options: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    return this.tx.run(() => {
      const before = this.#existing(key, options.ifVersion);
      this.tx.put(this.schema, before, undefined);
      return before as Row<T>;
    });
  }

  /** There is one writer at a time, so every row is locked already. */
  lock(key: Key, _mode: 'update' | 'share'): Promise<Row<T> | undefined> {
    return this.get(key);
  }

  #put(before: StoredRow | undefined, row: StoredRow): Row<T> {
    this.#refuseTaken(row, before);
    this.tx.put(this.schema, before, row);
    return row as Row<T>;
  }

  #existing(key: Key, ifVersion?: number): StoredRow {
    const { table } = this.schema;
    const row = this.row(key);
    if (!row) throw new StoreError('not_found', `no such row in ${table.name}`, { table: table.name });
    if (ifVersion !== undefined && ifVersion !== row.version)
      throw new StoreError('conflict', `the row of ${table.name} is no longer the one that was read`, {
        table: table.name,
      });
    return row;
  }

  #refuseTaken(row: StoredRow, before: StoredRow | undefined): void {
    const { table, indexes } = this.schema;
    const trees = this.tx.trees(this.schema);
    for (const { unique, name, position, columns } of indexes) {
      if (!unique || unique.some((column) => row[column] === null)) continue;
      if (before && unique.every((column) => row[column] === before[column])) continue;
      const tree = trees.indexes[position]!;
      const isSame = (other: Place) => unique.every((column) => row[column] === other[column]);
      // Ids and numbers that grow are greater than all there are, so they need not be looked up.
      const last = tree.last();
      if (last === undefined || (tree.compare(last, row) < 0 && !isSame(last))) continue;
      const place: Record<string, Value | typeof LOWEST> = {};
      for (const column of columns) place[column] = unique.includes(column) ? (row[column] as Value) : LOWEST;
      const next = tree.from(place);
      if (next && isSame(next))
        throw new StoreError('already_exists', `${table.name}: the key '${name}' is taken`, {
          table: table.name,
          key: name,
        });
    }
  }
}
