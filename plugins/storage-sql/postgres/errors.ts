import { DatabaseError, type DatabaseErrorKind } from '../database.ts';

/** The fields of an error that the server sent. */
interface ServerError {
  readonly code: string;
  readonly severity: string | undefined;
  readonly table?: string;
  readonly constraint?: string;
  readonly routine?: string;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** The server's error, or undefined for one of the driver or of the network. */
export function serverError(error: unknown): ServerError | undefined {
  if (!(error instanceof Error) || !('severity' in error)) return undefined;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && SQLSTATE.test(code) ? (error as unknown as ServerError) : undefined;
}

/** A statement that was prepared before its tables changed, or is gone: the connection is of no use any more. */
export const isStale = ({ code, routine }: ServerError): boolean =>
  code === '26000' || (code === '0A000' && routine === 'RevalidateCachedQuery');

/** Nothing may be written by this connection; another may lead to a server, or have a default, that lets it. */
export const isReadOnly = ({ code }: ServerError): boolean => code === '25006';

/** It was refused because one before it in its transaction had failed. */
export const isBehindFailure = ({ code }: ServerError): boolean => code === '25P02';

/** After it the server ends the connection: it shuts down, an administrator ended it, or it was idle for too long. */
export const endsConnection = ({ code }: ServerError): boolean => /^(57P|08|25P03)/.test(code);

/** What each SQLSTATE means here; two characters stand for their class. */
const KINDS: Readonly<Record<string, DatabaseErrorKind>> = {
  '23505': 'unique',
  '40001': 'retry',
  '40P01': 'retry',
  '55P03': 'unavailable',
  '57014': 'unavailable',
  '25P03': 'unavailable',
  '25006': 'unavailable',
  '57P': 'unavailable',
  '08': 'unavailable',
  '53': 'unavailable',
  '58': 'unavailable',
  // The login, the database, a right, a table or a column is not there any more; the data are damaged.
  '28': 'denied',
  '3D': 'denied',
  '3F': 'denied',
  '42501': 'denied',
  '42703': 'denied',
  '42P01': 'denied',
  '55000': 'denied',
  XX001: 'denied',
  XX002: 'denied',
};

const MESSAGES: Readonly<Record<string, string>> = {
  '55P03': 'PostgreSQL waited too long for a lock',
  '57014': 'PostgreSQL took too long, or the statement was cancelled',
  '25P03': 'the transaction was idle for too long',
  '25006': 'PostgreSQL is read only now',
  '53300': 'PostgreSQL has no connection to spare',
};

/** What the driver threw, in the words of the port. */
export function databaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const server = serverError(error);
  if (error instanceof TypeError || error instanceof RangeError)
    return new DatabaseError('failed', 'the statement could not be sent', { cause: error });
  // Other errors of the driver and the network: the connection is lost, or could not be made.
  if (!server) return new DatabaseError('unavailable', 'PostgreSQL cannot be reached', { cause: error });
  if (isStale(server)) return new DatabaseError('retry', 'a prepared statement is out of date', { cause: error });
  const { code, table, constraint } = server;
  const kind = KINDS[code] ?? KINDS[code.slice(0, 3)] ?? KINDS[code.slice(0, 2)] ?? 'failed';
  return new DatabaseError(kind, MESSAGES[code] ?? `PostgreSQL answered ${code}`, {
    ...(table === undefined ? {} : { table }),
    ...(kind !== 'unique' || constraint === undefined ? {} : { index: constraint }),
    cause: error,
  });
}
