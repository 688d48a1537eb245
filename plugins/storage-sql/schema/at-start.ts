import { z } from 'zod';
import type { Database } from '../database.ts';
import { SqlStore, type SqlStoreOptions } from '../store/sql-store.ts';
import type { PrepareOptions } from './prepare.ts';

/** What both plugins let one say of the schema at their start. */
export const schemaSettings = {
  /** ENVIRONMENT; in 'production' the schema is left as it is unless `migrate` says otherwise. */
  environment: z.string().default('development'),
  /** Whether the start applies what is missing, or leaves that to `tracker migrate apply`. */
  migrate: z.enum(['auto', 'manual']).optional(),
};

export function appliedAtStart({
  environment,
  migrate = environment.toLowerCase() === 'production' ? 'manual' : 'auto',
}: {
  readonly environment: string;
  readonly migrate?: 'auto' | 'manual' | undefined;
}): PrepareOptions['apply'] {
  return migrate === 'auto' ? 'additive' : 'nothing';
}

/** How data migrations write: in a store of their own on the same database, for as long as they take. */
export const transactOn =
  (database: Database, options: SqlStoreOptions): PrepareOptions['transact'] =>
  async (tables, run) => {
    const store = new SqlStore(options);
    store.open(database, tables, 'migrating');
    await store.write(run, { timeoutMs: Number.POSITIVE_INFINITY });
  };
