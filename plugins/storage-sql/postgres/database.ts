import { type Database, DatabaseError, type Session, type SqlRow, type Transaction } from '../database.ts';
import type { Statement } from '../statement.ts';
import { databaseError } from './errors.ts';
import { sharedSession } from './lease-session.ts';
import { Leases } from './leases.ts';
import { createOrm, type Orm } from './orm.ts';
import type { PostgresSettings } from './settings.ts';
import { clientOf, PostgresTransaction } from './transaction.ts';
import { calledOff, Waits } from './waits.ts';

/** How long close waits for connections to end, in milliseconds. */
const CLOSING_MS = 4_000;

const closedError = () => new DatabaseError('unavailable', 'the store is closed');

/** PostgreSQL through MikroORM, which owns the connections and the transactions. Nothing is opened before it is used. */
export class PostgresDatabase implements Database {
  readonly dialect = 'postgres';
  readonly shared = true;
  readonly #made: Orm;
  readonly #leases: Leases;
  readonly #open = new Set<PostgresTransaction>();
  readonly #waits = new Waits();
  readonly #closed = new AbortController();
  #closing: Promise<void> | undefined;

  /** Throws where the file of the authority's certificate cannot be read. */
  constructor(settings: PostgresSettings) {
    this.#made = createOrm(settings);
    this.#leases = new Leases(() => this.#made.connectAlone());
  }

  async begin(mode: 'read' | 'write', signal: AbortSignal): Promise<Transaction> {
    this.#refuseWhenClosed();
    if (signal.aborted) throw calledOff(signal);
    try {
      const begun = await PostgresTransaction.begin(this.#made.connection, mode, signal, this.#waits, this.#open);
      if (this.#closed.signal.aborted) begun.abort(closedError());
      return begun;
    } catch (error) {
      throw this.#closed.signal.aborted ? closedError() : error;
    }
  }

  session(signal: AbortSignal): Session {
    return { execute: (statement) => this.#execute(statement, signal) };
  }

  async #execute({ sql, parameters }: Statement, signal: AbortSignal): Promise<readonly SqlRow[]> {
    this.#refuseWhenClosed();
    if (signal.aborted) throw calledOff(signal);
    const run = this.#made.connection
      .getClient()
      .getExecutor()
      .provideConnection(async (connection) => {
        // The caller may have gone while it waited for a connection.
        if (signal.aborted) throw calledOff(signal);
        this.#refuseWhenClosed();
        const client = await clientOf(connection);
        const abort = () => client.destroy();
        signal.addEventListener('abort', abort);
        try {
          return (await client.query(sql, parameters)).rows;
        } finally {
          signal.removeEventListener('abort', abort);
        }
      });
    try {
      return await this.#waits.for(run, signal);
    } catch (error) {
      throw this.#closed.signal.aborted ? closedError() : databaseError(error);
    }
  }

  async lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean },
  ): Promise<T | undefined> {
    this.#refuseWhenClosed();
    return this.#leases.run(name, fn, options);
  }

  async ping(signal: AbortSignal): Promise<void> {
    this.#refuseWhenClosed();
    try {
      await this.#waits.for(this.#leases.ping(), signal);
    } catch (error) {
      throw this.#closed.signal.aborted ? closedError() : databaseError(error);
    }
  }

  /**
   * As ping; and refuses a pooler that gives each transaction another connection, as far as it can be seen. Leases would be
   * lost there without a word, and statements that were prepared would be others'.
   */
  async open(signal: AbortSignal): Promise<void> {
    await this.ping(signal);
    const transaction = await this.begin('read', signal);
    try {
      const [row] = await transaction.execute({ sql: 'select pg_backend_pid() as backend', parameters: [] });
      const leases = await this.#waits.for(this.#leases.ping(), signal);
      if (row?.['backend'] === leases) throw sharedSession();
    } catch (error) {
      throw databaseError(error);
    } finally {
      await transaction.rollback();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError());
    this.#waits.end(closedError());
    for (const transaction of this.#open) transaction.abort(closedError());
    // A pool that is closed never gets back a connection that is being made; those that were asked for are, now.
    await new Promise(setImmediate);
    for (const client of this.#made.clients) if (client.busy) client.destroy();
    const ended = Promise.all([this.#leases.close(), this.#made.orm.close(true)]);
    ended.catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSING_MS);
    });
    await Promise.race([ended, patience]);
    clearTimeout(timer);
    for (const client of this.#made.clients) client.destroy();
  }

  #refuseWhenClosed(): void {
    if (this.#closed.signal.aborted) throw closedError();
  }
}
