import { DatabaseSync } from 'node:sqlite';
import { DatabaseError } from '../database.ts';
import { isBusy } from './errors.ts';

/**
 * Keeps every other process away from the database file, for as long as this one lives: an exclusive lock on an empty
 * SQLite file beside it. The system gives the lock up when the process ends, however it ends, so the file that stays
 * behind means nothing. Returns the release. Throws DatabaseError when another process has it, and the driver's error
 * when the file cannot be made.
 */
export function lockProcess(path: string): () => void {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec('pragma journal_mode = memory');
    lock.exec('begin exclusive');
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    throw new DatabaseError('failed', 'another process has it open; one SQLite file serves one process', {
      cause: error,
    });
  }
  return () => lock.close();
}
