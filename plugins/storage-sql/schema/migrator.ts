import { isUpToDate, type SchemaMigrations } from '../../../core/contracts/migrations.ts';
import { type Database, DatabaseError } from '../database.ts';
import { explain } from './explain.ts';
import { inspect } from './inspect.ts';
import { metaTable, migrationKey, readMeta } from './meta.ts';
import { type PrepareOptions, prepare } from './prepare.ts';
import { reasonOf, SchemaError } from './schema-error.ts';

/** The schema of a database that is opened for each look at it, and closed behind it. */
export function migratorOf(
  open: (signal: AbortSignal) => Promise<Database>,
  transact: (database: Database) => PrepareOptions['transact'],
): SchemaMigrations {
  async function opened<T>(signal: AbortSignal, use: (database: Database) => Promise<T>): Promise<T> {
    const database = await open(signal);
    try {
      return await use(database);
    } catch (error) {
      throw error instanceof DatabaseError ? new SchemaError(reasonOf(error), error) : error;
    } finally {
      await database.close();
    }
  }
  return {
    plan: (declared, signal) =>
      opened(signal, async (database) => {
        const options = { apply: 'nothing', transact: transact(database), signal } as const;
        return (await prepare(database, declared, options)).pending;
      }),
    apply: (declared, { allowDestructive, signal }) =>
      opened(signal, async (database) => {
        const apply = allowDestructive ? 'destructive' : 'additive';
        const { applied, pending } = await prepare(database, declared, { apply, transact: transact(database), signal });
        if (!isUpToDate(pending)) throw new SchemaError(explain(pending));
        const kept = pending.steps.map(({ what }) => `${what}, which loses data`);
        return { ...applied, left: [...pending.left, ...kept] };
      }),
    done: (signal) =>
      opened(signal, async (database) => {
        const session = database.session(signal);
        if (!(await inspect(database.dialect, session)).has(metaTable.name)) return [];
        const prefix = migrationKey('');
        return [...(await readMeta(session))]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, at]) => ({ id: key.slice(prefix.length), at }))
          .toSorted((a, b) => (a.at < b.at ? -1 : 1));
      }),
  };
}
