import { DatabaseError, type DatabaseErrorKind } from '../database.ts';

/** What node:sqlite throws; errcode is SQLite's extended result code. */
interface SqliteError extends Error {
  readonly errcode: number;
}

const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && (error as { code?: unknown }).code === 'ERR_SQLITE_ERROR';

const BUSY = 5;
const READ_ONLY = 8;
const IO_ERROR = 10;
const UNIQUE = new Set([1555, 2067, 2579]);

/** SQLite's primary result codes that say something of the file or of the machine, and not of the statement. */
const STATES: Readonly<Record<number, readonly [kind: DatabaseErrorKind, message: string]>> = {
  3: ['unavailable', 'the process is not permitted to use the database file'],
  [BUSY]: ['retry', 'the database file is locked by another process'],
  6: ['retry', 'a table of the database file is locked'],
  7: ['unavailable', 'there is not enough memory'],
  [READ_ONLY]: ['unavailable', 'the database file, or its folder, is read-only'],
  [IO_ERROR]: ['unavailable', 'the database file could not be read or written; the disk may be full or failing'],
  11: ['unavailable', 'the database file is damaged: restore it from a backup'],
  13: ['unavailable', 'the disk that holds the database file is full'],
  14: ['unavailable', 'the database file cannot be opened: it, and its folder, must be there and writable'],
  26: ['unavailable', 'the file is not a SQLite database, or is damaged'],
};

const UNIQUE_INDEX = /^UNIQUE constraint failed: index '(.+)'$/;
const UNIQUE_COLUMNS = /^UNIQUE constraint failed: (.+)$/;

/** The driver's error in the words of the port. `during` is what the connection is for, or its commit. */
export function databaseError(error: unknown, during: 'read' | 'write' | 'commit'): DatabaseError {
  if (error instanceof DatabaseError) return error;
  if (!isSqliteError(error)) return new DatabaseError('failed', 'the statement could not be run', { cause: error });
  if (UNIQUE.has(error.errcode)) return uniqueError(error);
  const code = error.errcode & 0xff;
  const state = STATES[code];
  // A write on a connection that only reads says nothing of the file.
  if (!state || (code === READ_ONLY && during === 'read'))
    return new DatabaseError('failed', 'SQLite refused the statement', { cause: error });
  const lost = during === 'commit' && code === IO_ERROR;
  return new DatabaseError(lost ? 'unknown' : state[0], state[1], { cause: error });
}

/** The columns stand as 'table.column, table.column'; an index with expressions has its name instead. */
function uniqueError(error: SqliteError): DatabaseError {
  const message = 'a unique index refused the row';
  const index = UNIQUE_INDEX.exec(error.message)?.[1];
  if (index) return new DatabaseError('unique', message, { index, cause: error });
  const names = UNIQUE_COLUMNS.exec(error.message)?.[1]?.split(', ') ?? [];
  const table = names[0]?.slice(0, names[0].lastIndexOf('.'));
  const columns = names.map((name) => name.slice(name.lastIndexOf('.') + 1));
  return new DatabaseError('unique', message, { ...(table ? { table } : {}), columns, cause: error });
}

const DAMAGED = new Set([11, 26]);

/** Whether an error says that the file is no longer fit for use, and whether that may pass by itself. */
export function faultOf({ kind, cause }: DatabaseError): 'passing' | 'lasting' | undefined {
  if (!isSqliteError(cause) || (kind !== 'unavailable' && kind !== 'unknown')) return undefined;
  return DAMAGED.has(cause.errcode & 0xff) ? 'lasting' : 'passing';
}

export const isBusy = (error: unknown): boolean => isSqliteError(error) && (error.errcode & 0xff) === BUSY;
