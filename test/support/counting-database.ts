import type { Database, Session, Transaction } from '../../plugins/storage-sql/database.ts';
import type { Statement } from '../../plugins/storage-sql/statement.ts';

/** What went to a database. */
export interface Counts {
  /** In the order in which they were asked for; BEGIN and COMMIT are not among them. */
  readonly statements: readonly Statement[];
  /** How often somebody asked while nothing was under way: then the answer takes a round trip of its own. */
  readonly roundTrips: number;
  readonly begins: number;
  readonly commits: number;
}

/** A database with a note of what one who asks at a time asks of it. */
export class CountingDatabase implements Database {
  readonly #inner: Database;
  #statements: Statement[] = [];
  #underWay = 0;
  #counts = { roundTrips: 0, begins: 0, commits: 0 };

  constructor(inner: Database) {
    this.#inner = inner;
  }

  get dialect() {
    return this.#inner.dialect;
  }
  get shared() {
    return this.#inner.shared;
  }

  /** What went there since this was asked last. */
  take(): Counts {
    const taken = { ...this.#counts, statements: this.#statements };
    this.#statements = [];
    this.#counts = { roundTrips: 0, begins: 0, commits: 0 };
    return taken;
  }

  async begin(mode: 'read' | 'write', signal: AbortSignal): Promise<Transaction> {
    this.#counts.begins += 1;
    const transaction = await this.#inner.begin(mode, signal);
    return {
      ...this.#counting(transaction),
      commit: () => {
        this.#counts.commits += 1;
        return transaction.commit();
      },
      rollback: () => transaction.rollback(),
    };
  }

  session(signal: AbortSignal): Session {
    return this.#counting(this.#inner.session(signal));
  }

  lease: Database['lease'] = (name, fn, options) => this.#inner.lease(name, fn, options);
  ping: Database['ping'] = (signal) => this.#inner.ping(signal);
  close: Database['close'] = () => this.#inner.close();

  #counting(session: Session): Session {
    return {
      execute: async (statement) => {
        this.#statements.push(statement);
        if (this.#underWay === 0) this.#counts.roundTrips += 1;
        this.#underWay += 1;
        try {
          return await session.execute(statement);
        } finally {
          this.#underWay -= 1;
        }
      },
    };
  }
}
