import { setImmediate } from 'node:timers/promises';
import type { Where } from '../../../core/contracts/query.ts';
import { type ReadTransaction, StoreError, type TableReader } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { type Database, DatabaseError, type Session } from '../database.ts';
import type { Queries } from '../query/queries.ts';
import type { StoreErrors } from './store-errors.ts';
import type { RowKey } from './write-buffer.ts';

/** What the transactions of a store share. */
export interface Opened {
  readonly database: Database;
  readonly tables: ReadonlyMap<string, AnyTable>;
  readonly queries: Queries;
  readonly errors: StoreErrors;
}

/** What is known of a row without asking the database: undefined where nothing is. */
export interface Known {
  readonly row: StoredRow | undefined;
}

/** A transaction works for so many milliseconds, then the other work of the process gets a turn. */
const LONGEST_STRETCH = 10;
/** The time is looked at once in so many operations. A power of 2. */
const OPERATIONS_PER_LOOK = 64;

/** What reads and writes have in common: their end, their errors, and turns for others. */
export abstract class SqlTransaction implements ReadTransaction {
  abstract readonly now: number;
  protected readonly opened: Opened;
  /** Ends what is under way when the transaction is called off. */
  protected readonly controller = new AbortController();
  #over: Error | 'ended' | undefined;
  #operations = 0;
  #since = performance.now();

  constructor(opened: Opened) {
    this.opened = opened;
  }

  abstract table<T extends AnyTable>(table: T): TableReader<T>;

  /** Where statements run that nothing written here can concern. */
  abstract session(): Session;

  /** Runs a query such that it sees what the transaction has written. */
  abstract query<R>(table: AnyTable, where: Where | undefined, run: (session: Session) => Promise<R>): Promise<R>;

  known(_table: AnyTable, _key: RowKey): Known | undefined {
    return undefined;
  }

  /** Told what a query found. */
  found(_table: AnyTable, _rows: readonly StoredRow[]): void {}

  get dialect() {
    return this.opened.database.dialect;
  }

  get queries() {
    return this.opened.queries;
  }

  /** Every operation goes through here. */
  async run<R>(operation: () => Promise<R>): Promise<R> {
    this.check();
    let result: R;
    try {
      result = await operation();
    } catch (error) {
      throw this.failed(error);
    }
    this.#operations = (this.#operations + 1) % OPERATIONS_PER_LOOK;
    if (this.#operations === 0 && performance.now() - this.#since > LONGEST_STRETCH) {
      await setImmediate();
      this.#since = performance.now();
    }
    this.check();
    return result;
  }

  /** What an error of an operation is to whoever called it. */
  protected failed(error: unknown): unknown {
    if (this.#over instanceof Error) return this.#over;
    if (!(error instanceof DatabaseError)) return error;
    return this.opened.errors.errorOf(error);
  }

  /** Throws where the transaction is over. */
  check(): void {
    if (this.#over === 'ended')
      throw new StoreError('invalid', 'the transaction has ended: an operation on it was not awaited');
    if (this.#over) throw this.#over;
  }

  /** From now on every operation throws this; or, where it ended as it should, that it has ended. */
  protected end(why?: Error): void {
    this.#over ??= why ?? 'ended';
  }

  /** Ends it before its time. */
  callOff(why: StoreError): void {
    this.end(why);
    this.controller.abort(why);
  }

  declared(table: AnyTable): void {
    if (!this.opened.tables.has(table.name))
      throw new StoreError('invalid', `table '${table.name}' is not contributed by any enabled plugin`, {
        table: table.name,
      });
  }
}
