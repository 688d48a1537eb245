import { type Database, DatabaseError, type Session } from '../database.ts';
import { fillSearch } from './fill.ts';
import type { Step } from './plan.ts';
import { isFinal, reasonOf, SchemaError } from './schema-error.ts';

/** Makes one change. What is thrown says which, and why the database refused it. */
export async function runStep(
  { dialect }: Database,
  session: Session,
  { what, statements, fill }: Step,
): Promise<void> {
  try {
    for (const statement of statements) await session.execute(statement);
    if (fill) await fillSearch(dialect, session, fill);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    const message = `cannot ${what}: ${reasonOf(error)}`;
    if (isFinal(error)) throw new SchemaError(message, error);
    throw new DatabaseError(error.kind, message, { cause: error });
  }
}
