import type { Find, GroupCount, Page, Where } from '../../core/contracts/query.ts';
import type { Key, TableReader } from '../../core/contracts/store.ts';
import type { AnyTable, Row } from '../../core/contracts/tables.ts';
import { keyValues, type StoredRow } from '../../core/lib/rows.ts';
import type { Work } from './matcher.ts';
import { count, countBy, find } from './query.ts';
import type { TableSchema } from './table-schema.ts';
import type { MemdbRead } from './transaction.ts';

/** After a query that examined so many rows the other work of the process gets a turn. */
const LONG_QUERY = 2_000;

export class MemdbReader<T extends AnyTable> implements TableReader<T> {
  protected readonly tx: MemdbRead;
  protected readonly schema: TableSchema;

  constructor(tx: MemdbRead, schema: TableSchema) {
    this.tx = tx;
    this.schema = schema;
  }

  protected row(key: Key): StoredRow | undefined {
    return this.schema.get(this.tx.trees(this.schema), keyValues(this.schema.table, key));
  }

  get(key: Key): Promise<Row<T> | undefined> {
    return this.tx.run(() => this.row(key) as Row<T> | undefined);
  }

  getMany(keys: readonly Key[]): Promise<Row<T>[]> {
    return this.tx.run(() => {
      const rows = new Set<StoredRow>();
      for (const key of keys) {
        const row = this.row(key);
        if (row) rows.add(row);
      }
      return [...rows] as Row<T>[];
    });
  }

  find(query: Find = {}): Promise<Page<Row<T>>> {
    return this.#query((work) => find(this.tx, this.schema, query, work) as Page<Row<T>>);
  }

  count(query: { readonly where?: Where } = {}): Promise<number> {
    return this.#query((work) => count(this.tx, this.schema, query.where, work));
  }

  countBy(groupBy: readonly string[], query: { readonly where?: Where } = {}): Promise<readonly GroupCount[]> {
    return this.#query((work) => countBy(this.tx, this.schema, groupBy, query.where, work));
  }

  async #query<R>(query: (work: Work) => R): Promise<R> {
    const work: Work = { done: 0 };
    const result = await this.tx.run(() => query(work));
    if (work.done > LONG_QUERY) await this.tx.giveWay();
    return result;
  }
}
