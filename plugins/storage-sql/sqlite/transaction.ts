import type { AbstractSqlConnection } from '@mikro-orm/sql';
import { CompiledQuery, type ControlledTransaction } from 'kysely';
import { DatabaseError, type SqlRow, type Transaction } from '../database.ts';
import type { Statement } from '../statement.ts';
import { databaseError } from './errors.ts';
import type { FairShare } from './fair-share.ts';
import { InOrder } from './in-order.ts';
import { calledOff } from './places.ts';

const ENDED = new DatabaseError('failed', 'the transaction has ended');

/** How a transaction ended: by what went wrong, where something did. */
export type Outcome = 'committed' | 'rolled back' | DatabaseError;

export interface TransactionParts {
  readonly mode: 'read' | 'write';
  /** MikroORM's, which began `open`. */
  readonly connection: AbstractSqlConnection;
  readonly open: ControlledTransaction<unknown>;
  readonly signal: AbortSignal;
  readonly share: FairShare;
  /** Throws 'unavailable' where a commit would be lost. */
  readonly refuseLost: () => void;
  /** Called once, when the connection is free again. */
  readonly ended: (transaction: SqliteTransaction, outcome: Outcome) => void;
}

/** An open transaction. Its signal rolls it back, and so does an error that says something of the file. */
export class SqliteTransaction implements Transaction {
  readonly #parts: TransactionParts;
  readonly #order = new InOrder();
  /** Why nothing more is done in it. */
  #over: DatabaseError | undefined;
  #ending: Promise<Outcome> | undefined;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    parts.signal.addEventListener('abort', this);
    if (parts.signal.aborted) this.handleEvent();
  }

  /** The signal's abort. */
  handleEvent(): void {
    void this.callOff(calledOff(this.#parts.signal));
  }

  /** Many may be given at once; others get their turn between them. */
  execute(statement: Statement): Promise<readonly SqlRow[]> {
    return this.#order.run(() => this.#run(statement));
  }

  async #run({ sql, parameters }: Statement): Promise<readonly SqlRow[]> {
    const { share, open, mode } = this.#parts;
    const pause = share.break();
    if (pause) await pause;
    if (this.#over) throw this.#over;
    try {
      const { rows } = await open.executeQuery<SqlRow>(CompiledQuery.raw(sql, [...parameters]));
      return rows;
    } catch (error) {
      const why = databaseError(error, mode);
      // SQLite may have rolled back by itself, and what came next would be stored at once.
      if (why.kind === 'unavailable' || why.kind === 'retry') await this.callOff(why);
      throw why;
    }
  }

  async commit(last: readonly Statement[] = []): Promise<void> {
    for (const statement of last) await this.execute(statement);
    await this.#order.done;
    if (this.#over) throw this.#over;
    const outcome = await this.#end(ENDED, () => this.#store());
    if (outcome instanceof DatabaseError) throw outcome;
  }

  async rollback(): Promise<void> {
    if (this.#over) await this.#ending;
    else await this.#end(ENDED, () => this.#undo('rolled back'));
  }

  /** Rolls back; whoever goes on with it is told why. Never throws, also where a commit is under way that fails. */
  async callOff(why: DatabaseError): Promise<void> {
    if (this.#over) await this.#ending;
    else await this.#end(why, () => this.#undo(why));
  }

  async #store(): Promise<Outcome> {
    const { mode, connection, open, refuseLost } = this.#parts;
    try {
      if (mode === 'write') refuseLost();
      await connection.commit(open);
      return 'committed';
    } catch (error) {
      return this.#undo(databaseError(error, 'commit'));
    }
  }

  /** MikroORM's rollback comes after the statements that are on their way, and the driver's does not throw. */
  async #undo(outcome: Outcome): Promise<Outcome> {
    await this.#parts.connection.rollback(this.#parts.open);
    return outcome;
  }

  #end(over: DatabaseError, how: () => Promise<Outcome>): Promise<Outcome> {
    this.#over = over;
    const { signal, ended } = this.#parts;
    signal.removeEventListener('abort', this);
    this.#ending = how().then((outcome) => {
      ended(this, outcome);
      return outcome;
    });
    return this.#ending;
  }
}
