import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DatabaseError } from '../database.ts';
import type { Statement } from '../statement.ts';
import { databaseError } from './errors.ts';
import { lockProcess } from './process-lock.ts';

/** 'ITRK', which says in the file's header whose it is. */
const APPLICATION_ID = 0x4954524b;

/** Writes one page. Beside what it says, it tells whether the next write will do. */
export const MARK: Statement = { sql: `pragma application_id = ${APPLICATION_ID}`, parameters: [] };

export interface OpenFile {
  /** Absolute, without symbolic links. */
  readonly path: string;
  /** Whether the path still names the file that was opened. */
  isThere(): boolean;
  /** Lets another process have it. */
  release(): void;
}

/** Makes the folder, keeps other processes away, and looks whose the file is. Throws DatabaseError for the operator. */
export function openFile(given: string): OpenFile {
  const absolute = resolve(given);
  try {
    const path = locate(absolute);
    const release = lockProcess(path);
    try {
      refuseFolderOrSecondName(path);
      refuseForeign(path);
    } catch (error) {
      release();
      throw error;
    }
    const inode = inodeOf(path);
    return { path, isThere: () => inodeOf(path) === inode, release };
  } catch (error) {
    throw cannotOpen(absolute, error);
  }
}

/** Names the file, which an error of a request never does. */
export function cannotOpen(path: string, error: unknown): DatabaseError {
  const { kind, message } = databaseError(error, 'write');
  return new DatabaseError(kind, `cannot open the SQLite file '${path}': ${message}`, { cause: error });
}

/** Undefined where there is none, or where the process cannot see it. */
function inodeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.ino;
  } catch {
    return undefined;
  }
}

/** Two names of one file are one file, and have one lock. */
function locate(path: string): string {
  try {
    makeFolder(dirname(path));
    return existsSync(path) ? realpathSync(path) : join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DatabaseError('unavailable', `its folder cannot be made or entered (${code})`, { cause: error });
  }
}

/** As mkdir -p. That of Node never returns where a folder refuses new ones as if it were not there: below /proc. */
function makeFolder(path: string): void {
  if (isFolder(path)) return;
  if (dirname(path) !== path) makeFolder(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process was faster.
    if (!isFolder(path)) throw error;
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Each name of a file has a lock and a write-ahead log of its own, so that two processes would destroy it. */
function refuseFolderOrSecondName(path: string): void {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw new DatabaseError('failed', 'it is a folder; name a file in it');
  if ((there?.nlink ?? 1) > 1)
    throw new DatabaseError('failed', 'it has several names (hard links); copy it to a file of its own');
}

/** Refuses what another program keeps its data in. */
function refuseForeign(path: string): void {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    const { id } = database.prepare('select application_id as id from pragma_application_id').get() as { id: number };
    if (id === APPLICATION_ID) return;
    const empty = !database.prepare('select 1 from sqlite_schema').get();
    if (id !== 0 || !empty) throw new DatabaseError('failed', 'it holds the data of another program');
  } finally {
    database.close();
  }
}
