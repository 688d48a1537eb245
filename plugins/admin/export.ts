import { createHash } from 'node:crypto';
import { changesTable } from '../../core/contracts/log.ts';
import { range } from '../../core/contracts/query.ts';
import type { ReadTransaction, Store, TransactionOptions } from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { columnsOf, FORMAT, FORMAT_VERSION, type Header, type Trailer } from './format.ts';
import { allRows } from './pages.ts';
import { Seal } from './seal.ts';

/** So much of the file goes together. */
const PART_BYTES = 256 * 1024;

export interface Part {
  readonly data: Uint8Array;
  /** How many rows have begun up to here. */
  readonly rows: number;
}

/**
 * The whole store as a file (format.ts), in parts, from one snapshot, which is held until the last part is taken. No part
 * is made before the one before it was taken.
 */
export async function* exportStore(store: Store, options: TransactionOptions): AsyncGenerator<Part, void, undefined> {
  // Hands over one part at a time: a write settles when the part was taken, or fails when nobody will take it.
  const { readable, writable } = new TransformStream<Part, Part>();
  const parts = writable.getWriter();
  const reading = store
    .read((tx) => writeAll(store.tables, tx, (part) => parts.write(part)), options)
    .then(
      () => parts.close(),
      (error) => parts.abort(error),
    );
  // Where it failed, the reader is told why.
  reading.catch(() => {});
  yield* readable;
}

async function writeAll(
  tables: readonly AnyTable[],
  tx: ReadTransaction,
  send: (part: Part) => Promise<void>,
): Promise<void> {
  const seal = new Seal();
  const digest = createHash('sha256');
  const counts: Record<string, number> = {};
  let rows = 0;
  let waiting: Buffer[] = [];
  let size = 0;

  const flush = async () => {
    const all = Buffer.concat(waiting);
    waiting = [];
    size = 0;
    for (let from = 0; from < all.length; from += PART_BYTES)
      await send({ data: all.subarray(from, from + PART_BYTES), rows });
  };
  const add = (value: object): number => {
    const line = seal.close(JSON.stringify(value));
    digest.update(line);
    waiting.push(line);
    size += line.length;
    return line.length;
  };

  const header: Header = {
    format: FORMAT,
    version: FORMAT_VERSION,
    tables: tables.map((table) => ({ name: table.name, columns: columnsOf(table) })),
  };
  add(header);
  let place = await headOf(tx, tables);
  for (const table of tables) {
    const columns = columnsOf(table);
    const seq = table.name === changesTable.name ? columns.indexOf('seq') : -1;
    counts[table.name] = 0;
    let length = 0;
    for await (const row of allRows(tx.table(table), () => length)) {
      const values = columns.map((column) => row[column]);
      // Not ordered yet. The ids of these events are in an order that the log may give them: the next in line are theirs.
      if (values[seq] === null) values[seq] = ++place;
      length = add([table.name, ...values]);
      rows += 1;
      counts[table.name]! += 1;
      if (size >= PART_BYTES) await flush();
    }
  }
  const trailer: Trailer = { rows, tables: counts, sha256: digest.copy().digest('hex') };
  add(trailer);
  await flush();
}

/** The last place in the log's order that is taken; 0 where there is none, or no log. */
async function headOf(tx: ReadTransaction, tables: readonly AnyTable[]): Promise<number> {
  if (!tables.some(({ name }) => name === changesTable.name)) return 0;
  const { rows } = await tx
    .table(changesTable)
    .find({ where: range('seq', { gte: 0 }), orderBy: { columns: ['seq'], descending: true }, limit: 1 });
  return rows[0]?.seq ?? 0;
}
