import type { SqlDialect, Statement } from './statement.ts';

/** What a driver gives for a row; see codec.ts. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Where statements run: in one transaction, or each in one of its own. */
export interface Session {
  /**
   * Runs one statement and returns its rows. Statements that are given without awaiting the one before run in the order
   * of the calls; PostgreSQL gets them without waiting for each other's answer (pipelining). Throws DatabaseError.
   */
  execute(statement: Statement): Promise<readonly SqlRow[]>;
}

/** An open transaction, on a connection of its own until it ends. */
export interface Transaction extends Session {
  /**
   * Runs the last statements, and stores everything where none of them failed; in PostgreSQL that is one round trip. The
   * signal ends these statements still, but no COMMIT. Throws DatabaseError: the first statement's that failed; 'unknown'
   * where the connection was lost and nobody knows whether it was stored.
   */
  commit(last?: readonly Statement[]): Promise<void>;
  /** Never throws. */
  rollback(): Promise<void>;
}

/** One database, behind MikroORM: connections, transactions and errors, and nothing of tables. */
export interface Database {
  readonly dialect: SqlDialect;
  /** True where other processes may write to the same data. */
  readonly shared: boolean;
  /**
   * Begins a transaction: 'read' is one snapshot and read only (REPEATABLE READ in PostgreSQL); 'write' is READ COMMITTED
   * in PostgreSQL, and holds the one writer's place in SQLite. `signal` ends the wait for a connection, what is running
   * and the transaction with DatabaseError 'unavailable', and the connection is fit for the next, or thrown away.
   */
  begin(mode: 'read' | 'write', signal: AbortSignal): Promise<Transaction>;
  /** Statements each on its own. In PostgreSQL also for reads of a write before its first lock. */
  session(signal: AbortSignal): Session;
  /** As Store.lease. */
  lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean },
  ): Promise<T | undefined>;
  /** Whether it answers now. Throws DatabaseError with a message for the operator, without a secret in it. */
  ping(signal: AbortSignal): Promise<void>;
  /** Ends what runs and gives up every connection; afterwards everything is 'unavailable'. Ends within 5 s. */
  close(): Promise<void>;
}

/**
 * What went wrong, in the words that both databases share. The driver's own error is the cause and reaches no client.
 *
 * - unique: a unique index refused it; `index` is its name (see physical.ts) where the driver tells it, else `columns`
 * - retry: nothing was stored, and the same transaction may succeed when it runs again (deadlock, serialization, busy)
 * - unavailable: it could not be reached, was lost, or took too long; nothing was stored
 * - unknown: it was lost during COMMIT
 * - denied: nothing was stored, for a right, a login or a table that was there is gone: an operator's to mend
 * - failed: anything else, a mistake of ours among them
 */
export type DatabaseErrorKind = 'unique' | 'retry' | 'unavailable' | 'unknown' | 'denied' | 'failed';

export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
  readonly kind: DatabaseErrorKind;
  readonly table: string | undefined;
  readonly index: string | undefined;
  readonly columns: readonly string[] | undefined;

  constructor(
    kind: DatabaseErrorKind,
    message: string,
    at: {
      readonly table?: string;
      readonly index?: string;
      readonly columns?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: at.cause });
    this.kind = kind;
    this.table = at.table;
    this.index = at.index;
    this.columns = at.columns;
  }
}
