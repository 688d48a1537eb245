import type { Find, GroupCount, Page, Value, Where } from '../../../core/contracts/query.ts';
import type { Key, TableReader } from '../../../core/contracts/store.ts';
import type { AnyTable, Row } from '../../../core/contracts/tables.ts';
import { keyValues, type StoredRow } from '../../../core/lib/rows.ts';
import { decodeRow } from '../query/codec.ts';
import { rowStatement } from './row-statements.ts';
import type { SqlTransaction } from './sql-transaction.ts';
import type { RowKey } from './write-buffer.ts';

/** How a transaction names a row. */
export const rowKey = (values: readonly Value[]): RowKey => (values.length === 1 ? values[0]! : JSON.stringify(values));

export const valuesOfKey = (table: AnyTable, row: StoredRow): readonly Value[] =>
  table.primaryKey.map((name: string) => row[name] as Value);

export const keyOfRow = (table: AnyTable, row: StoredRow): RowKey => rowKey(valuesOfKey(table, row));

export class SqlReader<T extends AnyTable> implements TableReader<T> {
  protected readonly tx: SqlTransaction;
  protected readonly declared: T;

  constructor(tx: SqlTransaction, table: T) {
    this.tx = tx;
    this.declared = table;
  }

  get(key: Key): Promise<Row<T> | undefined> {
    return this.tx.run(async () => {
      const table = this.declared;
      const values = keyValues(table, key);
      const known = this.tx.known(table, rowKey(values));
      if (known) return known.row as Row<T> | undefined;
      const { dialect } = this.tx;
      const [row] = await this.tx.session().execute(rowStatement(dialect, table, values));
      return row && (decodeRow(table, row) as Row<T>);
    });
  }

  getMany(keys: readonly Key[]): Promise<Row<T>[]> {
    return this.tx.run(async () => {
      const table = this.declared;
      const found = new Map<RowKey, StoredRow | undefined>();
      const wanted: (readonly Value[])[] = [];
      for (const key of keys) {
        const values = keyValues(table, key);
        const name = rowKey(values);
        if (found.has(name)) continue;
        const known = this.tx.known(table, name);
        found.set(name, known?.row);
        if (!known) wanted.push(values);
      }
      if (wanted.length > 0)
        for (const row of await this.tx.queries.getMany(this.tx.session(), table, wanted))
          found.set(keyOfRow(table, row), row);
      return [...found.values()].filter((row) => row !== undefined) as Row<T>[];
    });
  }

  find(query: Find = {}): Promise<Page<Row<T>>> {
    return this.tx.run(async () => {
      const { declared } = this;
      const page = await this.tx.query(declared, query.where, (session) =>
        this.tx.queries.find(session, declared, query),
      );
      this.tx.found(declared, page.rows);
      return page as Page<Row<T>>;
    });
  }

  count({ where }: { readonly where?: Where } = {}): Promise<number> {
    return this.tx.run(() =>
      this.tx.query(this.declared, where, (session) => this.tx.queries.count(session, this.declared, where)),
    );
  }

  countBy(groupBy: readonly string[], { where }: { readonly where?: Where } = {}): Promise<readonly GroupCount[]> {
    return this.tx.run(() =>
      this.tx.query(this.declared, where, (session) => this.tx.queries.countBy(session, this.declared, groupBy, where)),
    );
  }
}
