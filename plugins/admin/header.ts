import type { AnyTable } from '../../core/contracts/tables.ts';
import { columnsOf, FORMAT, FORMAT_VERSION } from './format.ts';

/** A table of the file, and which column each value of its rows is of. */
export interface TableOfFile {
  /** Among those of the file: their rows stand in this order. */
  readonly place: number;
  readonly table: AnyTable;
  readonly columns: readonly string[];
}

/** The tables that the first line of a file names. Throws what is wrong with it, as text. */
export function readHeader(value: unknown, known: readonly AnyTable[]): ReadonlyMap<string, TableOfFile> {
  const { format, version, tables } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (format !== FORMAT) throw "is not the first line of a tracker's export";
  if (version !== FORMAT_VERSION)
    throw `is of another version of the format than ${FORMAT_VERSION}, the one that this tracker reads`;
  if (!Array.isArray(tables)) throw 'names no tables';
  const found = new Map<string, TableOfFile>();
  for (const each of tables) {
    const { name, columns } = (each ?? {}) as Readonly<Record<string, unknown>>;
    const table = known.find((one) => one.name === name);
    if (!table) throw `names the table ${quoted(name)}, which no plugin of this tracker has`;
    if (found.has(table.name)) throw `names the table ${quoted(name)} twice`;
    found.set(table.name, { place: found.size, table, columns: columnsIn(table, columns) });
  }
  return found;
}

/** A nullable column may be missing: those of an older version of the plugin have no value in it. */
function columnsIn(table: AnyTable, columns: unknown): readonly string[] {
  const known = columnsOf(table);
  if (!Array.isArray(columns)) throw `names no columns of the table '${table.name}'`;
  const unknown = columns.find((column) => !known.includes(column));
  if (unknown !== undefined) throw `names the column ${quoted(unknown)} of '${table.name}', which the table lacks`;
  if (new Set(columns).size !== columns.length) throw `names a column of '${table.name}' twice`;
  const missing = known.find((column) => !columns.includes(column) && !table.columns[column]?.nullable);
  if (missing !== undefined) throw `lacks the column '${missing}' of '${table.name}', which must have a value`;
  return columns;
}

const LONGEST_NAME = 50;

function quoted(name: unknown): string {
  return typeof name === 'string' && name.length <= LONGEST_NAME ? `'${name}'` : 'of no possible name';
}
