import { z } from 'zod';
import type { Declarations } from '../../../core/contracts/migrations.ts';
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

/** What was collected, and an error where two plugins declare a table of the same name. */
export function declarationsOf(collected: Declarations): Declarations {
  const owners = new Map<string, string>();
  for (const { plugin, value } of collected.tables) {
    const other = owners.get(value.name);
    if (other) throw new Error(`table '${value.name}' is contributed by '${other}' and by '${plugin}': rename one`);
    owners.set(value.name, plugin);
  }
  return { tables: collected.tables, migrations: collected.migrations };
}

/** How data migrations write: in a store of their own on the same database, for as long as they take, or until the signal. */
export const transactOn =
  (database: Database, options: SqlStoreOptions): PrepareOptions['transact'] =>
  async (tables, run, signal) => {
    const store = new SqlStore(options);
    store.open(database, tables, 'migrating');
    await store.write(run, { timeoutMs: Number.POSITIVE_INFINITY, signal });
  };
