import { setImmediate } from 'node:timers/promises';
import type { ChangeEvent } from '../../core/contracts/log.ts';
import {
  isStoreError,
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
import type { TableSchema, Trees } from './table-schema.ts';
import { MemdbWriter } from './table-writer.ts';
import type { Text, TextIndex } from './text-index.ts';
import type { Tree } from './tree.ts';

export type Schemas = ReadonlyMap<string, TableSchema>;

/** The whole store at one moment; never changed. A reader holds one, and that is all its snapshot costs. */
export interface Version {
  /** Counts the commits. */
  readonly number: number;
  /** By the position of the table's schema. */
  readonly tables: readonly Trees[];
}

/** What a transaction sees after its end, so that whoever still holds it does not hold a version of the store. */
const NOTHING: Version = { number: Number.POSITIVE_INFINITY, tables: [] };

/** A transaction works for so many milliseconds, then the other work of the process gets a turn. */
const LONGEST_STRETCH = 10;
/** The time is looked at once in so many operations. A power of 2. */
const OPERATIONS_PER_LOOK = 64;

export class MemdbRead implements ReadTransaction, View {
  readonly now: number;
  readonly #schemas: Schemas;
  #version: Version;
  #over: StoreError | 'ended' | undefined;
  #operations = 0;
  #since = performance.now();

  constructor(schemas: Schemas, version: Version, now: number) {
    this.#schemas = schemas;
    this.#version = version;
    this.now = now;
  }

  get version(): Version {
    return this.#version;
  }

  table<T extends AnyTable>(table: T): TableReader<T> {
    return new MemdbReader<T>(this, this.schema(table));
  }

  /** From now on every operation throws this; or, where it ended as it should, that it has ended. */
  end(why?: StoreError): void {
    this.#over ??= why ?? 'ended';
    this.#version = NOTHING;
  }

  /**
   * Every operation goes through here. It is done at once, in the order of the calls. In a long transaction its promise
   * is kept back now and then, so that who awaits one operation after the other holds up nobody.
   */
  async run<R>(operation: () => R): Promise<R> {
    this.check();
    let result: R;
    try {
      result = operation();
    } catch (error) {
      this.failed(error);
      throw error;
    }
    this.#operations = (this.#operations + 1) % OPERATIONS_PER_LOOK;
    if (this.#operations === 0 && performance.now() - this.#since > LONGEST_STRETCH) await this.giveWay();
    return result;
  }

  /** Lets the other work of the process have a turn: timers too, so the transaction may be over afterwards. */
  async giveWay(): Promise<void> {
    await setImmediate();
    this.#since = performance.now();
    this.check();
  }

  /** Told what an operation threw. */
  protected failed(_error: unknown): void {}

  /** Throws where the transaction is over. */
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
    return this.#version.tables[schema.position]!;
  }
}

export class MemdbWrite extends MemdbRead implements WriteTransaction {
  /** The version to be. */
  #tables: Trees[];
  /** What the text indexes are to forget if this is rolled back. */
  readonly added: Text[] = [];
  /** What they are to forget once this is stored, and no older snapshot is open. */
  readonly gone: Text[] = [];
  readonly changes: ChangeWriter;
  #seq: number;
  /** Of an event that was restored, the latest; in microseconds. */
  restoredTime = 0;

  constructor(schemas: Schemas, version: Version, now: number, seq: number) {
    super(schemas, version, now);
    this.#tables = version.tables.slice();
    this.#seq = seq;
    this.changes = new ChangeWriter(this, () => ++this.#seq);
  }

  /** The last place in the log's order that this transaction, or one before it, has given. */
  get seq(): number {
    return this.#seq;
  }

  /** An event that has its place and its time already: those to come follow it. */
  restoredEvent({ seq, time }: StoredRow): void {
    this.#seq = Math.max(this.#seq, (seq as number | null) ?? 0);
    this.restoredTime = Math.max(this.restoredTime, time as number);
  }

  override table<T extends AnyTable>(table: T): TableWriter<T> {
    return new MemdbWriter<T>(this, this.schema(table));
  }

  async emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent): Promise<{ readonly revision: number }> {
    this.check();
    try {
      return await this.changes.emit(scopeTable, scopeKey, event);
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  /** A transaction in which this was thrown is lost, whatever its function makes of it. */
  protected override failed(error: unknown): void {
    for (const kind of ['already_exists', 'conflict', 'invalid'] as const)
      if (isStoreError(error, kind)) this.end(error);
  }

  override end(why?: StoreError): void {
    super.end(why);
    this.#tables = [];
  }

  /** Ends it; returns what it made of the store. */
  commit(): Version {
    const { number } = this.version;
    const tables = this.#tables;
    this.end();
    return { number: number + 1, tables };
  }

  override trees(schema: TableSchema): Trees {
    return this.#tables[schema.position]!;
  }

  /** Replaces one version of a row by the next in every index. */
  put(schema: TableSchema, before: StoredRow | undefined, after: StoredRow | undefined): void {
    const { position, indexes, text } = schema;
    const trees = this.#tables[position]!;
    const next = trees.indexes.slice();
    for (let i = 0; i < indexes.length; i++) {
      let tree = next[i]!;
      if (before && (!after || tree.compare(before, after) !== 0)) tree = tree.without(before);
      next[i] = after ? tree.with(after) : tree;
    }
    this.#tables[position] = {
      indexes: next,
      texts: text ? this.#putText(text, trees.texts, before, after) : trees.texts,
    };
  }

  #putText(
    index: TextIndex,
    texts: Tree<Text>,
    before: StoredRow | undefined,
    after: StoredRow | undefined,
  ): Tree<Text> {
    if (before && after && index.isSame(before, after)) return texts;
    const gone = before && texts.get({ index, number: 0, row: before })!;
    if (gone) this.gone.push(gone);
    if (!after) return texts.without(gone!);
    const text = index.add(after);
    this.added.push(text);
    return texts.with(text);
  }
}
