import type { Where } from '../../../core/contracts/query.ts';
import type { StoreError, TableReader } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { Session, SqlRow, Transaction } from '../database.ts';
import type { Statement } from '../statement.ts';
import { type Opened, SqlTransaction } from './sql-transaction.ts';
import { SqlReader } from './table-reader.ts';

/**
 * A snapshot. It begins with the first statement, and not before the function has returned its promise: where that is the
 * promise of its one operation, nothing can follow, and a single statement needs no transaction.
 */
export class SqlRead extends SqlTransaction implements Session {
  readonly now: number;
  readonly #returned = Promise.withResolvers<void>();
  #first: Promise<unknown> | undefined;
  #count = 0;
  #isSingle = false;
  #hasSearch = false;
  #snapshot: Promise<Transaction> | undefined;

  constructor(opened: Opened, now: number) {
    super(opened);
    this.now = now;
  }

  table<T extends AnyTable>(table: T): TableReader<T> {
    this.declared(table);
    return new SqlReader<T>(this, table);
  }

  override run<R>(operation: () => Promise<R>): Promise<R> {
    const result = super.run(operation);
    this.#count += 1;
    this.#first ??= result;
    return result;
  }

  /** What the function returned. */
  returned(result: Promise<unknown>): void {
    this.#isSingle = this.#count === 1 && this.#first === result && !this.#hasSearch;
    this.#returned.resolve();
  }

  session(): Session {
    return this;
  }

  /** A search in text may run several statements, all others one. */
  query<R>(_table: AnyTable, where: Where | undefined, run: (session: Session) => Promise<R>): Promise<R> {
    this.#hasSearch ||= searches(where);
    return run(this);
  }

  async execute(statement: Statement): Promise<readonly SqlRow[]> {
    await this.#returned.promise;
    this.check();
    const { database } = this.opened;
    const { signal } = this.controller;
    if (this.#isSingle) return database.session(signal).execute(statement);
    this.#snapshot ??= database.begin('read', signal);
    return (await this.#snapshot).execute(statement);
  }

  override callOff(why: StoreError): void {
    super.callOff(why);
    this.close();
  }

  /** Gives the snapshot up; nobody need wait for it. */
  async close(): Promise<void> {
    this.end();
    const snapshot = await this.#snapshot?.catch(() => undefined);
    await snapshot?.rollback();
  }
}

const searches = (where: Where | undefined): boolean =>
  where?.op === 'text' || (where?.op === 'and' && where.all.some(searches));
