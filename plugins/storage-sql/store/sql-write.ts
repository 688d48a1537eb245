import { type ChangeEvent, type Committed, changesTable } from '../../../core/contracts/log.ts';
import type { Value, Where } from '../../../core/contracts/query.ts';
import {
  isStoreError,
  type Key,
  Restart,
  StoreError,
  type TableWriter,
  type WriteTransaction,
} from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { ChangeWriter } from '../../../core/lib/change-writer.ts';
import { keyValues, type StoredRow } from '../../../core/lib/rows.ts';
import { DatabaseError, type Session, type SqlRow, type Transaction } from '../database.ts';
import { TIME_COLUMN } from '../physical.ts';
import { decodeRow } from '../query/codec.ts';
import type { Statement } from '../statement.ts';
import { changeStatements } from './change-statements.ts';
import { type FoundKey, ReadAhead } from './read-ahead.ts';
import { lastSeq, lockStatement, rowStatement } from './row-statements.ts';
import type { ScopeQueue } from './scope-queue.ts';
import { type Known, type Opened, SqlTransaction } from './sql-transaction.ts';
import { keyOfRow, rowKey, valuesOfKey } from './table-reader.ts';
import { SqlWriter } from './table-writer.ts';
import { type KnownRow, type RowKey, WriteBuffer } from './write-buffer.ts';

/** What the writes of a store share. */
export interface OpenedForWrites extends Opened {
  readonly queue: ScopeQueue;
  /** A time later than every other that this gave, and not before the given one. */
  nextTime(earliest: number): number;
  /** Where the store orders the events itself: the last place given, undefined where it must be looked up. */
  seq: number | undefined;
}

/**
 * So many pending rows are sent, although nobody needs them there yet. What is kept for longer outlives V8's quick
 * collections: with 1000 rows in SQLite, where sending costs no round trip, an import took 140 MiB more and no less time.
 */
export const MOST_PENDING = { postgres: 1000, sqlite: 128 } as const;

/**
 * A write transaction. It begins, and takes a connection, with its first lock or the first write that is sent; reads before
 * that are each on its own, which is how READ COMMITTED sees them anyway. Writes are sent late and together.
 */
export class SqlWrite extends SqlTransaction implements WriteTransaction {
  declare protected readonly opened: OpenedForWrites;
  readonly #buffer = new WriteBuffer();
  readonly #ahead = new Map<string, ReadAhead>();
  readonly #changes: ChangeWriter;
  #begun: Promise<Transaction> | undefined;
  #giveUpPlace: (() => void) | undefined;
  #running = 0;
  #now: number | undefined;
  #earliest: number;
  #seq: number | undefined;
  #restoredTime = 0;
  #rolledBack: Promise<void> | undefined;
  #runAgain: { readonly earliest: number } | undefined;

  /** `earliest`: what `now` is not before. */
  constructor(opened: OpenedForWrites, earliest: number) {
    super(opened);
    this.#earliest = earliest;
    this.#changes = new ChangeWriter(this, opened.database.shared ? undefined : () => this.#nextSeq());
  }

  get now(): number {
    this.#now ??= this.opened.nextTime(this.#earliest);
    return this.#now;
  }

  /** Set where it failed in a way that may not happen again: what `now` of the next run is not to be before. */
  get runAgain(): { readonly earliest: number } | undefined {
    return this.#runAgain;
  }

  table<T extends AnyTable>(table: T): TableWriter<T> {
    this.declared(table);
    return new SqlWriter<T>(this, table);
  }

  emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent): Promise<{ readonly revision: number }> {
    return this.run(async () => {
      if (!this.opened.database.shared) await this.#beginSeq();
      const emitted = await this.#changes.emit(scopeTable, scopeKey, event);
      this.#buffer.setTime(scopeTable, rowKey(keyValues(scopeTable, scopeKey)), this.now);
      return emitted;
    });
  }

  override known(table: AnyTable, key: RowKey): Known | undefined {
    return this.#buffer.known(table, key);
  }

  session(): Session {
    return this.#begun ? this : this.opened.database.session(this.controller.signal);
  }

  async query<R>(table: AnyTable, where: Where | undefined, run: (session: Session) => Promise<R>): Promise<R> {
    if (![table, ...tablesOf(where)].some((each) => this.#buffer.hasPending(each))) return run(this.session());
    const [, result] = await Promise.all([this.flush(), run(this)]);
    return result;
  }

  /** In the transaction. Statements run in the order of the calls. */
  async execute(statement: Statement): Promise<readonly SqlRow[]> {
    this.#running += 1;
    try {
      return await this.#begin().then((transaction) => transaction.execute(statement));
    } finally {
      this.#running -= 1;
    }
  }

  /** The row, locked; undefined where there is none. */
  async lock(table: AnyTable, key: readonly Value[], wanted: 'share' | 'update'): Promise<KnownRow | undefined> {
    const { dialect } = this;
    // The one writer of SQLite keeps every row as it is.
    const mode = dialect === 'sqlite' ? 'update' : wanted;
    const name = rowKey(key);
    const known = this.#buffer.known(table, name);
    if (known && (known.mode === 'update' || mode === 'share')) return known;
    if (mode === 'update' && table.revision !== undefined) this.#begin(`${table.name}/${name}`);
    if (mode === 'update' && dialect === 'postgres' && table.revision === undefined) {
      const keys = this.#aheadOf(table).with({ name, values: key });
      if (keys.length > 1) return this.#lockTogether(table, name, keys);
    }
    const [row] = await this.execute(rowStatement(dialect, table, key, mode));
    this.check();
    if (!row) return this.#buffer.known(table, name);
    if (table.revision !== undefined) this.#notBefore(row[TIME_COLUMN]);
    return this.#buffer.learn(table, name, decodeRow(table, row), mode);
  }

  async #lockTogether(table: AnyTable, name: RowKey, keys: readonly FoundKey[]): Promise<KnownRow | undefined> {
    const wanted = keys.filter((key) => this.#buffer.known(table, key.name)?.mode !== 'update');
    const rows = await this.execute(
      lockStatement(
        table,
        wanted.map(({ values }) => values),
      ),
    );
    this.check();
    for (const each of rows) {
      const row = decodeRow(table, each);
      this.#buffer.learn(table, keyOfRow(table, row), row, 'update');
    }
    return this.#buffer.known(table, name);
  }

  /** What a query found is perhaps what is changed next. */
  override found(table: AnyTable, rows: readonly StoredRow[]): void {
    if (rows.length < 2 || this.dialect !== 'postgres' || table.revision !== undefined) return;
    this.#aheadOf(table).found(
      rows.map((row) => {
        const values = valuesOfKey(table, row);
        return { name: rowKey(values), values };
      }),
    );
  }

  #aheadOf(table: AnyTable): ReadAhead {
    let ahead = this.#ahead.get(table.name);
    if (!ahead) {
      ahead = new ReadAhead();
      this.#ahead.set(table.name, ahead);
    }
    return ahead;
  }

  /** A row that is new. Throws `already_exists`. */
  async insert(table: AnyTable, name: RowKey, row: StoredRow): Promise<void> {
    for (;;) {
      if (this.#buffer.known(table, name)?.row)
        throw new StoreError('already_exists', `${table.name}: the key 'primary' is taken`, {
          table: table.name,
          key: 'primary',
        });
      if (this.#buffer.put(table, name, row)) break;
      await this.flush();
    }
    await this.#sendMany();
  }

  /**
   * Locks the row and makes of it what `how` does; where there is none, `how` throws. Between the look at the row and its
   * change nothing is waited for: the function may have asked for several changes of it together.
   */
  async change(
    table: AnyTable,
    key: readonly Value[],
    how: (row: StoredRow | undefined) => StoredRow | undefined,
  ): Promise<StoredRow | undefined> {
    const name = rowKey(key);
    for (;;) {
      const locked = await this.lock(table, key, 'update');
      // Forgotten meanwhile, by one who sent very many.
      if (locked && locked !== this.#buffer.known(table, name)) continue;
      const row = how(locked?.row);
      if (this.#buffer.put(table, name, row)) {
        await this.#sendMany();
        return row;
      }
      await this.flush();
    }
  }

  async #sendMany(): Promise<void> {
    if (this.#buffer.size < MOST_PENDING[this.dialect]) return;
    await this.flush();
    this.#buffer.forgetSent();
  }

  /** An event that has its place already: those to come follow it. */
  async restoredEvent({ seq, time }: StoredRow): Promise<void> {
    this.#restoredTime = Math.max(this.#restoredTime, time as number);
    if (this.opened.database.shared || seq === null) return;
    await this.#beginSeq();
    this.#seq = Math.max(this.#seq!, seq as number);
  }

  /** Its times follow those of the events, which another clock has told. */
  restoredScope(table: AnyTable, row: StoredRow): void {
    if (this.#restoredTime > 0) this.#buffer.setTime(table, keyOfRow(table, row), this.#restoredTime);
  }

  /** Sends what is pending. */
  async flush(): Promise<void> {
    await Promise.all(changeStatements(this.dialect, this.#buffer.take()).map((statement) => this.execute(statement)));
  }

  /** Refuses every operation from now on. */
  finish(): void {
    this.check();
    this.end();
  }

  /** Sends what is left together with COMMIT. Returns what was committed, where events are in it. */
  async commit(): Promise<Committed | undefined> {
    try {
      const last = changeStatements(this.dialect, this.#buffer.take());
      if (last.length > 0) this.#begin();
      const transaction = await this.#begun;
      if (this.#seq !== undefined) this.opened.seq = this.#seq;
      await transaction?.commit(last);
    } catch (error) {
      this.opened.seq = undefined;
      throw this.failed(error);
    }
    this.#giveUpPlace?.();
    this.#giveUpPlace = undefined;
    return this.#changes.committed;
  }

  /** While it is committed: ends what is sent before COMMIT, if it is not too late. */
  hurry(why: StoreError): void {
    this.controller.abort(why);
  }

  /** Whatever its function waits for, nothing is held for it any longer. */
  override callOff(why: StoreError): void {
    super.callOff(why);
    this.rollback();
  }

  /** Undoes everything, and gives the connection back. Never throws. */
  rollback(): Promise<void> {
    this.#rolledBack ??= this.#rollBack();
    return this.#rolledBack;
  }

  async #rollBack(): Promise<void> {
    this.end();
    // Something that nobody awaited.
    if (this.#running > 0) this.controller.abort();
    const transaction = await this.#begun?.catch(() => undefined);
    await transaction?.rollback();
    this.#giveUpPlace?.();
    this.#giveUpPlace = undefined;
  }

  /** A transaction in which this was thrown is lost, whatever its function makes of it. */
  protected override failed(error: unknown): unknown {
    const seen = super.failed(error);
    if (error instanceof DatabaseError && error.kind === 'retry') {
      this.#runAgain ??= { earliest: this.#earliest };
      this.end(new Restart('the database wants the transaction to begin again', { cause: error }));
    } else if (error instanceof DatabaseError) this.end(seen as Error);
    else for (const kind of LOSING) if (isStoreError(error, kind)) this.end(error);
    return super.failed(error);
  }

  #begin(scope?: string): Promise<Transaction> {
    this.#begun ??= this.#take(scope);
    return this.#begun;
  }

  /**
   * Whoever waits for a scope has no connection yet, and a transaction waits for one place at most: those behind it never
   * hold what it needs.
   */
  async #take(scope: string | undefined): Promise<Transaction> {
    const { database, queue } = this.opened;
    const { signal } = this.controller;
    if (scope !== undefined) this.#giveUpPlace = await queue.take(scope, signal);
    return database.begin('write', signal);
  }

  /** The scope that was locked has had a transaction of this time. */
  #notBefore(time: unknown): void {
    if (time === null) return;
    const earliest = Number(time) + 1;
    if (this.#now === undefined) this.#earliest = Math.max(this.#earliest, earliest);
    else if (this.#now < earliest) {
      this.#runAgain ??= { earliest };
      const restart = new Restart('the time was asked for before a scope was locked that is later');
      this.end(restart);
      throw restart;
    }
  }

  /** From the beginning on nobody else gives places in the order. */
  async #beginSeq(): Promise<void> {
    if (this.#seq !== undefined) return;
    await this.#begin();
    this.#seq ??= this.opened.seq;
    if (this.#seq !== undefined || !this.opened.tables.has(changesTable.name)) return;
    const [row] = await this.execute(lastSeq(changesTable));
    this.#seq ??= Number(row?.['seq'] ?? 0);
  }

  #nextSeq(): number {
    this.#seq! += 1;
    return this.#seq!;
  }
}

const LOSING: readonly StoreError['kind'][] = ['already_exists', 'conflict', 'invalid'];

/** The tables that a condition looks into. */
function tablesOf(where: Where | undefined): readonly AnyTable[] {
  switch (where?.op) {
    case 'exists':
      return [where.table, ...tablesOf(where.where)];
    case 'and':
    case 'or':
      return where.all.flatMap(tablesOf);
    case 'not':
      return tablesOf(where.where);
    default:
      return [];
  }
}
