import type { Database, DatabaseError, Session, Transaction } from '../../plugins/storage-sql/database.ts';

/** Where a failure comes: before a statement of a transaction, before COMMIT, or after one that was stored. */
export type FailurePoint = 'statement' | 'commit' | 'committed';

/** A database that fails where it is told to. `failure` is asked each time. */
export function failingDatabase(
  inner: Database,
  failure: (point: FailurePoint) => DatabaseError | undefined,
): Database & { readonly rollbacks: number } {
  let rollbacks = 0;
  const refuse = (point: FailurePoint) => {
    const error = failure(point);
    if (error) throw error;
  };
  return {
    dialect: inner.dialect,
    shared: inner.shared,
    get rollbacks() {
      return rollbacks;
    },
    async begin(mode, signal): Promise<Transaction> {
      const transaction = await inner.begin(mode, signal);
      const session: Session = {
        async execute(statement) {
          refuse('statement');
          return transaction.execute(statement);
        },
      };
      return {
        ...session,
        async commit(last = []) {
          for (const _ of last) refuse('statement');
          refuse('commit');
          await transaction.commit(last);
          refuse('committed');
        },
        async rollback() {
          rollbacks += 1;
          await transaction.rollback();
        },
      };
    },
    session: (signal) => inner.session(signal),
    lease: (name, fn, options) => inner.lease(name, fn, options),
    ping: (signal) => inner.ping(signal),
    close: () => inner.close(),
  };
}
