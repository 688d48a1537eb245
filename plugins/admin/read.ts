import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { changesTable } from '../../core/contracts/log.ts';
import { isStoreError } from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
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
    for (const line of lines.next(part)) {
      const row = reader.next(line, lines.count);
      if (row) yield row;
    }
  }
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
    const { table, columns } = found;
    // The name before them, the check behind.
    if (values.length !== columns.length + 2) throw `has another number of values than '${name}' has columns`;
    const row = restoredRow(table, Object.fromEntries(columns.map((column, i) => [column, values[i + 1]])));
    if (table.name === changesTable.name && row['seq'] === null) throw 'is an event without a place in the log';
    this.#counts.set(name, this.#counts.get(name)! + 1);
    return { table, row };
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

function jsonOf(line: Buffer): unknown {
  if (!isUtf8(line)) throw 'is not UTF-8';
  try {
    return JSON.parse(line.toString());
  } catch {
    throw 'is not JSON';
  }
}
