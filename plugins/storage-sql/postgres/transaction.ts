import { IsolationLevel } from '@mikro-orm/core';
import type { AbstractSqlConnection } from '@mikro-orm/sql';
import { CompiledQuery, type ControlledTransaction, type DatabaseConnection } from 'kysely';
import { DatabaseError, type SqlRow, type Transaction } from '../database.ts';
import type { Statement } from '../statement.ts';
import { IDENTIFY, type TransactionClient } from './client.ts';
import { databaseError, serverError } from './errors.ts';
import { calledOff, type Waits } from './waits.ts';

/** How long COMMIT and ROLLBACK may take before the connection is given up, in milliseconds. */
const ENDING_MS = 10_000;

/** One for all: that of a use after the end is nobody's to trace, and making one costs more than the rest. */
const OVER = new DatabaseError('failed', 'the transaction has ended');

/** MikroORM's transaction, and the driver's client of the connection that it holds. */
interface Held {
  readonly open: ControlledTransaction<unknown>;
  readonly client: TransactionClient;
}

const OPTIONS = {
  read: { isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: true },
  write: { isolationLevel: IsolationLevel.READ_COMMITTED },
} as const;

/** One transaction of MikroORM's, from BEGIN to its end. */
export class PostgresTransaction implements Transaction {
  readonly #mode: 'read' | 'write';
  readonly #orm: AbstractSqlConnection;
  readonly #held: Held;
  readonly #signal: AbortSignal;
  readonly #open: Set<PostgresTransaction>;
  /** Why nothing more may be done; undefined while the transaction is open. */
  #ended: DatabaseError | undefined;
  #ending: Promise<void> | undefined;

  private constructor(
    mode: 'read' | 'write',
    orm: AbstractSqlConnection,
    held: Held,
    signal: AbortSignal,
    open: Set<PostgresTransaction>,
  ) {
    this.#mode = mode;
    this.#orm = orm;
    this.#held = held;
    this.#signal = signal;
    this.#open = open;
    open.add(this);
    signal.addEventListener('abort', this.#abort);
  }

  /**
   * Takes a connection and begins; the transaction is in `open` until the connection is given back. An end of the wait by
   * the signal does not wait for the connection, which goes back when it comes.
   */
  static async begin(
    orm: AbstractSqlConnection,
    mode: 'read' | 'write',
    signal: AbortSignal,
    waits: Waits,
    open: Set<PostgresTransaction>,
  ): Promise<PostgresTransaction> {
    const began = orm.begin(OPTIONS[mode]).then(holdOf);
    try {
      return new PostgresTransaction(mode, orm, await waits.for(began, signal), signal, open);
    } catch (error) {
      began.then(({ open }) => orm.rollback(open)).catch(() => {});
      throw databaseError(error);
    }
  }

  async execute(statement: Statement): Promise<readonly SqlRow[]> {
    if (this.#ended) throw this.#ended;
    try {
      return (await this.#send(statement)).rows;
    } catch (error) {
      throw this.#ended ?? databaseError(error);
    }
  }

  /** Everything is given in one go: the server answers a COMMIT behind a statement that failed with ROLLBACK. */
  async commit(last: readonly Statement[] = []): Promise<void> {
    if (this.#ended) throw this.#ended;
    this.#ended = OVER;
    this.#signal.removeEventListener('abort', this.#abort);
    const { client } = this.#held;
    const wasAlive = client.alive;
    let patience: NodeJS.Timeout | undefined;
    const waitForEnd = () => {
      clearTimeout(patience);
      patience = setTimeout(() => client.destroy(), ENDING_MS);
    };
    const cancel = () => {
      client.cancel();
      waitForEnd();
    };
    if (last.length > 0) this.#signal.addEventListener('abort', cancel);
    const answers = Promise.allSettled(last.map((statement) => this.#send(statement)));
    const answered = answers.then(() => {
      this.#signal.removeEventListener('abort', cancel);
      waitForEnd();
    });
    try {
      await this.#orm.commit(this.#held.open);
      this.#open.delete(this);
    } catch (error) {
      await this.#giveBack();
      const failed = (await answers).find((answer) => answer.status === 'rejected');
      // What the server refused is not stored.
      if (failed && serverError(failed.reason)) throw databaseError(failed.reason);
      // Nothing was asked of a connection that was lost before; and a read has nothing to store.
      throw wasAlive && this.#mode === 'write' ? commitError(error) : databaseError(error);
    } finally {
      await answered;
      clearTimeout(patience);
    }
  }

  #send({ sql, parameters }: Statement) {
    return this.#held.client.query(sql, parameters);
  }

  async rollback(): Promise<void> {
    if (!this.#ended) {
      this.#ended = OVER;
      this.#signal.removeEventListener('abort', this.#abort);
      this.#ending = this.#giveBack();
    }
    await this.#ending;
  }

  /** Ends it now, whatever it does. */
  abort(why: DatabaseError): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#signal.removeEventListener('abort', this.#abort);
    if (this.#held.client.busy) this.#held.client.destroy();
    this.#ending = this.#giveBack();
  }

  readonly #abort = (): void => this.abort(calledOff(this.#signal));

  /** Rolls back, which gives the connection back, also a lost one. Never throws. */
  async #giveBack(): Promise<void> {
    const patience = setTimeout(() => this.#held.client.destroy(), ENDING_MS);
    await this.#orm.rollback(this.#held.open).catch(() => {});
    clearTimeout(patience);
    this.#open.delete(this);
  }
}

/** What became of a COMMIT that failed: the server's own refusal is certain; a lost connection is not. */
function commitError(error: unknown): DatabaseError {
  const known = databaseError(error);
  const refused = serverError(error) !== undefined && known.kind !== 'unavailable';
  if (refused || known.kind === 'failed' || known.kind === 'denied') return known;
  return new DatabaseError('unknown', 'the connection was lost while the transaction was stored', { cause: error });
}

/** Statements go to the client directly, so that they do not wait for each other. */
async function holdOf(open: ControlledTransaction<unknown>): Promise<Held> {
  return { open, client: await open.getExecutor().provideConnection(clientOf) };
}

const clients = new WeakMap<DatabaseConnection, TransactionClient>();

/** The driver's client behind a connection of Kysely's. */
export async function clientOf(connection: DatabaseConnection): Promise<TransactionClient> {
  let client = clients.get(connection);
  if (!client) {
    const { rows } = await connection.executeQuery<TransactionClient>(CompiledQuery.raw(IDENTIFY));
    client = rows[0]!;
    clients.set(connection, client);
  }
  return client;
}
