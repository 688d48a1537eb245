import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { changesTable } from '../../core/contracts/log.ts';
import type { Value } from '../../core/contracts/query.ts';
import { isStoreError } from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { compareValues } from '../../core/lib/compare.ts';
import { restoredRow, type StoredRow } from '../../core/lib/rows.ts';
import { badLine } from './errors.ts';
import type { Trailer } from './format.ts';
import { readHeader, type TableOfFile } from './header.ts';
import { Lines } from './lines.ts';
import { Seal } from './seal.ts';

/** A row of the file that fits its table. */
export interface RowOfFile {
  readonly table: AnyTable;
  readonly row: StoredRow;
  readonly line: number;
}

const DAMAGED =
  'is damaged, or is not the line that stood here: lines before it are missing, doubled or in another order';
const NOT_WHOLE = 'is missing: the file ends before its last line';
const CHANGED = 'the program that copied the file changed it';
const OTHER_LINE_ENDS = `ends with CR and LF, where an export has LF alone: ${CHANGED}`;
const BYTE_ORDER_MARK = `begins with a byte order mark: ${CHANGED}`;
const COMPRESSED = 'is compressed: unpack it first (gunzip < file | tracker import -)';

/**
 * The rows of an export that comes in parts. Throws BAD_EXPORT, which names the line, for whatever is not as `exportStore`
 * wrote it or does not fit these tables; only after the last row is it certain that all of the file is sound.
 */
export async function* readExport(
  parts: AsyncIterable<Uint8Array>,
  tables: readonly AnyTable[],
): AsyncGenerator<RowOfFile, void, undefined> {
  const lines = new Lines();
  const reader = new Reader(tables);
  for await (const part of parts) {
    if (lines.count === 0 && lines.isEmpty && isGzip(part)) throw badLine(1, COMPRESSED);
    for (const line of lines.next(part)) {
      const row = reader.next(line, lines.count);
      if (row) yield row;
    }
  }
  if (lines.count === 0 && lines.isEmpty) throw badLine(1, 'is missing: the file is empty');
  lines.end();
  if (!reader.isDone) throw badLine(lines.count + 1, NOT_WHOLE);
}

class Reader {
  isDone = false;
  readonly #known: readonly AnyTable[];
  readonly #seal = new Seal();
  readonly #digest = createHash('sha256');
  readonly #counts = new Map<string, number>();
  #tables: ReadonlyMap<string, TableOfFile> | undefined;
  #last: { readonly place: number; readonly row: StoredRow } | undefined;

  constructor(known: readonly AnyTable[]) {
    this.#known = known;
  }

  /** The row of the line, where it is one of a row. */
  next(line: Buffer, number: number): RowOfFile | undefined {
    try {
      if (this.isDone) throw 'follows the last line of the export';
      return this.#read(line, number);
    } catch (problem) {
      if (isStoreError(problem, 'invalid')) throw badLine(number, problem.message);
      if (typeof problem === 'string') throw badLine(number, problem);
      throw problem;
    }
  }

  #read(line: Buffer, number: number): RowOfFile | undefined {
    const fits = this.#seal.fits(line);
    if (!this.#tables) {
      // What another program wrote is not called damaged.
      this.#tables = readHeader(jsonOf(line), this.#known);
      if (line.at(-1) === CR) throw OTHER_LINE_ENDS;
      if (!fits) throw DAMAGED;
      for (const name of this.#tables.keys()) this.#counts.set(name, 0);
      this.#digest.update(line).update('\n');
      return undefined;
    }
    if (!fits) throw DAMAGED;
    const value = jsonOf(line);
    if (!Array.isArray(value)) {
      this.#finish(value as Trailer | undefined);
      return undefined;
    }
    this.#digest.update(line).update('\n');
    return { ...this.#row(value), line: number };
  }

  #row(values: readonly unknown[]): Omit<RowOfFile, 'line'> {
    const name = values[0] as string;
    const found = this.#tables?.get(name);
    if (!found) throw 'is of a table that the first line does not name';
    const { place, table, columns } = found;
    // The name before them, the check behind.
    if (values.length !== columns.length + 2) throw `has another number of values than '${name}' has columns`;
    const row = restoredRow(table, Object.fromEntries(columns.map((column, i) => [column, values[i + 1]])));
    if (table.name === changesTable.name && row['seq'] === null) throw 'is an event without a place in the log';
    this.#follow(place, table, row);
    this.#counts.set(name, this.#counts.get(name)! + 1);
    return { table, row };
  }

  /** So a row that stands twice is known before anything is stored. */
  #follow(place: number, table: AnyTable, row: StoredRow): void {
    const last = this.#last;
    this.#last = { place, row };
    if (!last || last.place < place) return;
    const order = last.place > place ? 1 : compareKeys(table, last.row, row);
    if (order === 0) throw 'has the primary key of the line above';
    if (order > 0) throw 'comes behind a line that it stands before in an export: rows go by table and primary key';
  }

  #finish(trailer: Trailer | undefined): void {
    let rows = 0;
    for (const [name, count] of this.#counts) {
      rows += count;
      if (trailer?.tables?.[name] !== count) throw `does not count ${count} rows of '${name}', which stand before it`;
    }
    if (trailer?.rows !== rows) throw `does not count ${rows} rows, which stand before it`;
    if (trailer.sha256 !== this.#digest.digest('hex')) throw 'has the digest of other lines than those before it';
    this.isDone = true;
  }
}

function compareKeys(table: AnyTable, a: StoredRow, b: StoredRow): number {
  for (const name of table.primaryKey) {
    const order = compareValues(a[name] as Value, b[name] as Value);
    if (order !== 0) return order;
  }
  return 0;
}

const CR = 0x0d;
const isGzip = (part: Uint8Array): boolean => part[0] === 0x1f && part[1] === 0x8b;

function jsonOf(line: Buffer): unknown {
  if (!isUtf8(line)) throw 'is not UTF-8';
  if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) throw BYTE_ORDER_MARK;
  try {
    return JSON.parse(line.toString());
  } catch {
    throw 'is not JSON';
  }
}
