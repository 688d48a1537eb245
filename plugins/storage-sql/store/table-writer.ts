import { changesTable } from '../../../core/contracts/log.ts';
import { type Key, StoreError, type TableWriter } from '../../../core/contracts/store.ts';
import type { AnyTable, NewRow, Row } from '../../../core/contracts/tables.ts';
import { incrementedRow, keyValues, newRow, restoredRow, type StoredRow, updatedRow } from '../../../core/lib/rows.ts';
import type { SqlWrite } from './sql-write.ts';
import { keyOfRow, SqlReader } from './table-reader.ts';

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
      if (this.declared.name === changesTable.name) await this.tx.restoredEvent(row);
      else if (this.declared.revision !== undefined) this.tx.restoredScope(this.declared, row);
    });
  }

  update(key: Key, patch: Partial<NewRow<T>>, { ifVersion }: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    return this.#change(key, (row) => updatedRow(this.declared, this.#existing(row, ifVersion), patch as Values));
  }

  increment(key: Key, amounts: { readonly [K in keyof Row<T>]?: number }): Promise<Row<T>> {
    return this.#change(key, (row) => incrementedRow(this.declared, this.#existing(row), amounts as Values));
  }

  delete(key: Key, { ifVersion }: { readonly ifVersion?: number } = {}): Promise<Row<T>> {
    let deleted: StoredRow | undefined;
    const gone = this.#change(key, (row) => {
      deleted = this.#existing(row, ifVersion);
      return undefined;
    });
    return gone.then(() => deleted as Row<T>);
  }

  lock(key: Key, mode: 'update' | 'share'): Promise<Row<T> | undefined> {
    return this.tx.run(async () => {
      const known = await this.tx.lock(this.declared, keyValues(this.declared, key), mode);
      return known?.row as Row<T> | undefined;
    });
  }

  async #insert(row: StoredRow): Promise<Row<T>> {
    const table = this.declared;
    await this.tx.insert(table, keyOfRow(table, row), row);
    return row as Row<T>;
  }

  #change(key: Key, how: (row: StoredRow | undefined) => StoredRow | undefined): Promise<Row<T>> {
    return this.tx.run(async () => (await this.tx.change(this.declared, keyValues(this.declared, key), how)) as Row<T>);
  }

  #existing(row: StoredRow | undefined, ifVersion?: number): StoredRow {
    const { name: table } = this.declared;
    if (!row) throw new StoreError('not_found', `no such row in ${table}`, { table });
    if (ifVersion !== undefined && ifVersion !== row.version)
      throw new StoreError('conflict', `the row of ${table} is no longer the one that was read`, { table });
    return row;
  }
}
