import type { AnyTable } from '../../core/contracts/tables.ts';

/**
 * An export is lines of JSON in UTF-8, each with a check at its end (seal.ts):
 *
 *     {"format":"issue-tracker-export","version":1,"tables":[{"name":"changes","columns":["id","seq", ..., "version"]}, ...],"crc":"..."}
 *     ["changes","0190...",1, ..., 1,"..."]       the table's name, then a value for each of its columns
 *     {"rows":1,"tables":{"changes":1, ...},"sha256":"...","crc":"..."}    the digest is of all bytes before this line
 *
 * It says nothing of the store that it came from, nor when, so that the export of an import is the same file.
 */
export const FORMAT = 'issue-tracker-export';
export const FORMAT_VERSION = 1;

export interface Header {
  readonly format: typeof FORMAT;
  readonly version: typeof FORMAT_VERSION;
  readonly tables: readonly TableColumns[];
}

export interface TableColumns {
  readonly name: string;
  readonly columns: readonly string[];
}

export interface Trailer {
  readonly rows: number;
  /** By the table's name, those without a row too. */
  readonly tables: Readonly<Record<string, number>>;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

/** In the order in which they are declared, and the store's own last. */
export function columnsOf(table: AnyTable): readonly string[] {
  return [...Object.keys(table.columns), 'version'];
}
