import { SchemaError } from '../schema/schema-error.ts';
import type { PostgresDatabase } from './database.ts';

/**
 * Resolves when the database answers and can hold every text. Throws DatabaseError as `open` does, SchemaError
 * when it has another encoding than UTF8: the server would refuse some characters, one call at a time.
 */
export async function reach(database: PostgresDatabase, signal: AbortSignal): Promise<void> {
  await database.open(signal);
  const [row] = await database.session(signal).execute({ sql: 'SHOW server_encoding', parameters: [] });
  const encoding = String(row!['server_encoding']);
  if (encoding !== 'UTF8')
    throw new SchemaError(`the database has the encoding ${encoding}; create it anew with ENCODING 'UTF8'`);
}
