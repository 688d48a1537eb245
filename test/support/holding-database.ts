import type { Database } from '../../plugins/storage-sql/database.ts';
import type { Statement } from '../../plugins/storage-sql/statement.ts';

/** A database whose answers in a transaction are kept back until what `hold` returns has resolved. */
export const holdingDatabase = (
  inner: Database,
  hold: (statement: Statement) => Promise<unknown> | undefined,
): Database => ({
  dialect: inner.dialect,
  shared: inner.shared,
  async begin(mode, signal) {
    const transaction = await inner.begin(mode, signal);
    return {
      async execute(statement) {
        const rows = await transaction.execute(statement);
        await hold(statement);
        return rows;
      },
      commit: (last) => transaction.commit(last),
      rollback: () => transaction.rollback(),
    };
  },
  session: (signal) => inner.session(signal),
  lease: (name, fn, options) => inner.lease(name, fn, options),
  ping: (signal) => inner.ping(signal),
  close: () => inner.close(),
});
