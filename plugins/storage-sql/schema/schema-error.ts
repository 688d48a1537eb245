import type { DatabaseError, DatabaseErrorKind } from '../database.ts';

/** Why a schema cannot be used or changed: one line for the operator, without a secret. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

/** Whether another try would end in the same way. */
export const isFinal = ({ kind }: DatabaseError): boolean => FINAL.has(kind);

const FINAL: ReadonlySet<DatabaseErrorKind> = new Set(['failed', 'denied', 'unique']);

/** What went wrong; in the database's own words where nobody has put it in ours. For the operator alone. */
export function reasonOf(error: DatabaseError): string {
  let reason: Error = error;
  while (isFinal(error) && reason.cause instanceof Error) reason = reason.cause;
  return reason.message.split('\n', 1)[0]!;
}
