import type { ChangeEvent } from '../../core/contracts/log.ts';
import {
  type Key,
  type ReadTransaction,
  StoreError,
  type TableReader,
  type TableWriter,
  type WriteTransaction,
} from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { ChangeWriter } from '../../core/lib/change-writer.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import type { View } from './matcher.ts';
import { MemdbReader } from './table-reader.ts';
import type { TableSchema, Tree, Trees } from './table-schema.ts';
import { MemdbWriter } from './table-writer.ts';
import type { RowKey } from './text-index.ts';

export type Schemas = ReadonlyMap<string, TableSchema>;

/** The whole store at one moment; never changed. A reader holds one, and that is all its snapshot costs. */
export interface Version {
  /** Counts the commits. */
  readonly number: number;
  /** By the position of the table's schema. */
  readonly tables: readonly Trees[];
}

/** What a transaction did to one row, in a table that can be searched. */
export interface Written {
  readonly schema: TableSchema;
  readonly before: StoredRow | undefined;
  readonly after: StoredRow | undefined;
}

export class MemdbRead implements ReadTransaction, View {
  readonly now: number;
  readonly version: Version;
  readonly #schemas: Schemas;
  #over: StoreError | 'ended' | undefined;

  constructor(schemas: Schemas, version: Version, now: number) {
    this.#schemas = schemas;
    this.version = version;
    this.now = now;
  }

  table<T extends AnyTable>(table: T): TableReader<T> {
    return new MemdbReader<T>(this, this.schema(table));
  }

  /** From now on every operation throws this; or, where it ended as it should, that it has ended. */
  end(why?: StoreError): void {
    this.#over ??= why ?? 'ended';
  }

  /** Called by each operation. */
  check(): void {
    if (this.#over === 'ended')
      throw new StoreError('invalid', 'the transaction has ended: an operation on it was not awaited');
    if (this.#over) throw this.#over;
  }

  schema(table: AnyTable): TableSchema {
    const schema = this.#schemas.get(table.name);
    if (!schema)
      throw new StoreError('invalid', `table '${table.name}' is not contributed by any enabled plugin`, {
        table: table.name,
      });
    return schema;
  }

  trees(schema: TableSchema): Trees {
    return this.version.tables[schema.position]!;
  }

  written(_schema: TableSchema): readonly RowKey[] {
    return [];
  }
}

export class MemdbWrite extends MemdbRead implements WriteTransaction {
  /** The version to be: the trees of a table are copied when it is first written to. */
  readonly tables: Trees[];
  readonly searchable: Written[] = [];
  readonly changes: ChangeWriter;

  constructor(schemas: Schemas, version: Version, now: number, nextSeq: () => number) {
    super(schemas, version, now);
    this.tables = version.tables.slice();
    this.changes = new ChangeWriter(this, nextSeq);
  }

  override table<T extends AnyTable>(table: T): TableWriter<T> {
    return new MemdbWriter<T>(this, this.schema(table));
  }

  async emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent): Promise<{ readonly revision: number }> {
    this.check();
    return this.changes.emit(scopeTable, scopeKey, event);
  }

  override trees(schema: TableSchema): Trees {
    return this.tables[schema.position]!;
  }

  /** Replaces one version of a row by the next in every index. */
  put(schema: TableSchema, before: StoredRow | undefined, after: StoredRow | undefined): void {
    const { position, indexes } = schema;
    let trees = this.tables[position]!;
    if (trees === this.version.tables[position]) {
      trees = trees.map((tree): Tree => tree.clone());
      this.tables[position] = trees;
    }
    for (let i = 0; i < indexes.length; i++) {
      const tree = trees[i]!;
      if (before && (!after || indexes[i]!.compare(before, after) !== 0)) tree.delete(before);
      if (after) tree.set(after, undefined);
    }
    if (schema.text) this.searchable.push({ schema, before, after });
  }

  override written(schema: TableSchema): readonly RowKey[] {
    const { primaryKey } = schema.table;
    return this.searchable
      .filter((written) => written.schema === schema)
      .map(({ before, after }) => primaryKey.map((column) => (after ?? before)![column]) as RowKey);
  }
}
