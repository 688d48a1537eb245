import { changesTable } from '../../../core/contracts/log.ts';
import { type Key, StoreError, type TableWriter } from '../../../core/contracts/store.ts';
import type { AnyTable, NewRow, Row } from '../../../core/contracts/tables.ts';
import { incrementedRow, keyValues, newRow, restoredRow, type StoredRow, updatedRow } from '../../../core/lib/rows.ts';
import type { SqlWrite } from './sql-write.ts';
import { keyOfRow, rowKey, SqlReader } from './table-reader.ts';

type Values = Readonly<Record<string, unknown>>;

/** Changes of rows that are locked, or new: they are made here, and sent later. */
export class SqlWriter<T extends AnyTable> extends SqlReader<T> implements TableWriter<T> {
  declare protected readonly tx: SqlWrite;

  constructor(tx: SqlWrite, table: T) {
    super(tx, table);
  }

  insert(values: NewRow<T>): Promise<Row<T>> {
    return this.tx.run(() => this.#insert(newRow(this.declared, values as Values)));
  }

  restore(values: Row<T>): Promise<void> {
    return this.tx.run(async () => {
      const row = restoredRow(this.declared, values);
      await this.#insert(row);
      if (this.declared.name === changesTable.name) await this.tx.reserveSeq(row['seq'] as number | null);
    });
  }

  update(key: Key, patch: Partial<NewRow<T>>, { ifVersion }: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    return this.tx.run(async () => {
      const { name, row } = await this.#existing(key, ifVersion);
      return this.#put(name, updatedRow(this.declared, row, patch as Values));
    });
  }

  increment(key: Key, amounts: { readonly [K in keyof Row<T>]?: number }): Promise<Row<T>> {
    return this.tx.run(async () => {
      const { name, row } = await this.#existing(key);
      return this.#put(name, incrementedRow(this.declared, row, amounts as Values));
    });
  }

  delete(key: Key, { ifVersion }: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    return this.tx.run(async () => {
      const { name, row } = await this.#existing(key, ifVersion);
      await this.tx.put(this.declared, name, undefined);
      return row as Row<T>;
    });
  }

  lock(key: Key, mode: 'update' | 'share'): Promise<Row<T> | undefined> {
    return this.tx.run(async () => {
      const known = await this.tx.lock(this.declared, keyValues(this.declared, key), mode);
      return known?.row as Row<T> | undefined;
    });
  }

  #insert(row: StoredRow): Promise<Row<T>> {
    const table = this.declared;
    const name = keyOfRow(table, row);
    if (this.tx.known(table, name)?.row)
      throw new StoreError('already_exists', `${table.name}: the key 'primary' is taken`, {
        table: table.name,
        key: 'primary',
      });
    return this.#put(name, row);
  }

  async #put(name: ReturnType<typeof rowKey>, row: StoredRow): Promise<Row<T>> {
    await this.tx.put(this.declared, name, row);
    return row as Row<T>;
  }

  async #existing(key: Key, ifVersion?: number) {
    const table = this.declared;
    const values = keyValues(table, key);
    const row = (await this.tx.lock(table, values, 'update'))?.row;
    if (!row) throw new StoreError('not_found', `no such row in ${table.name}`, { table: table.name });
    if (ifVersion !== undefined && ifVersion !== row.version)
      throw new StoreError('conflict', `the row of ${table.name} is no longer the one that was read`, {
        table: table.name,
      });
    return { name: rowKey(values), row };
  }
}
