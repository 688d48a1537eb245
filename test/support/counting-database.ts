import type { Database, Session, Transaction } from '../../plugins/storage-sql/database.ts';
import type { Statement } from '../../plugins/storage-sql/statement.ts';

export interface CountedTransaction {
  readonly mode: 'read' | 'write';
  /** In the order in which they were asked for; BEGIN and COMMIT are not among them. */
  readonly statements: Statement[];
  /**
   * How often a statement was asked for while none was under way: then its answer takes a round trip of its own. Those that
   * are given with COMMIT share its round trip.
   */
  roundTrips: number;
  isCommitted: boolean;
}

/** What went to a database. */
export interface Counts {
  readonly transactions: readonly CountedTransaction[];
  /** Statements without a transaction. */
  readonly alone: readonly Statement[];
}

/** A database with a note of what is asked of it. */
export class CountingDatabase implements Database {
  readonly #inner: Database;
  #transactions: CountedTransaction[] = [];
  #alone: Statement[] = [];

  constructor(inner: Database) {
    this.#inner = inner;
  }

  get dialect() {
    return this.#inner.dialect;
  }
  get shared() {
    return this.#inner.shared;
  }

  /** What was begun since this was asked last. */
  take(): Counts {
    const taken = { transactions: this.#transactions, alone: this.#alone };
    this.#transactions = [];
    this.#alone = [];
    return taken;
  }

  async begin(mode: 'read' | 'write', signal: AbortSignal): Promise<Transaction> {
    const counted: CountedTransaction = { mode, statements: [], roundTrips: 0, isCommitted: false };
    this.#transactions.push(counted);
    const transaction = await this.#inner.begin(mode, signal);
    let underWay = 0;
    return {
      async execute(statement) {
        counted.statements.push(statement);
        if (underWay === 0) counted.roundTrips += 1;
        underWay += 1;
        try {
          return await transaction.execute(statement);
        } finally {
          underWay -= 1;
        }
      },
      async commit(last = []) {
        counted.statements.push(...last);
        if (last.length > 0) counted.roundTrips += 1;
        await transaction.commit(last);
        counted.isCommitted = true;
      },
      rollback: () => transaction.rollback(),
    };
  }

  session(signal: AbortSignal): Session {
    const session = this.#inner.session(signal);
    return {
      execute: (statement) => {
        this.#alone.push(statement);
        return session.execute(statement);
      },
    };
  }

  lease: Database['lease'] = (name, fn, options) => this.#inner.lease(name, fn, options);
  ping: Database['ping'] = (signal) => this.#inner.ping(signal);
  close: Database['close'] = () => this.#inner.close();
}
