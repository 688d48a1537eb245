import type { Value } from '../../../core/contracts/query.ts';
import type { AnyTable, Column, Json } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { everyToken } from '../../../core/lib/tokenizer.ts';
import { TIME_COLUMN } from '../physical.ts';
import { VERSION } from '../query/codec.ts';
import type { PendingChange, TableChanges } from './write-buffer.ts';

/** Rows of one table that are written alike, with the columns that are written. */
export interface ChangeSet {
  readonly table: AnyTable;
  readonly kind: 'insert' | 'update' | 'delete';
  readonly rows: readonly WrittenRow[];
  /** Those of the primary key first. */
  readonly columns: readonly string[];
  /** Whether what the rows are found by is written too. */
  readonly search: boolean;
  /** The same for sets that the same statement writes, and for no others. */
  readonly shape: string;
}

export interface WrittenRow {
  readonly row: StoredRow;
  readonly time: number | undefined;
}

interface Layout {
  /** All columns of an insert. */
  readonly columns: readonly string[];
  /** Tells the table from others, also from one of the same name. */
  readonly number: number;
}
const layouts = new WeakMap<AnyTable, Layout>();
let made = 0;

function layoutOf(table: AnyTable): Layout {
  let layout = layouts.get(table);
  if (!layout) {
    const others = Object.keys(table.columns).filter((name) => !table.primaryKey.includes(name));
    const own = ['version', ...(table.revision === undefined ? [] : [TIME_COLUMN])];
    layout = { columns: [...table.primaryKey, ...others, ...own], number: ++made };
    layouts.set(table, layout);
  }
  return layout;
}

/** Of a table's column, `version` and the scope's time. */
export const columnOf = (table: AnyTable, name: string): Column =>
  name === 'version' || name === TIME_COLUMN ? VERSION : table.columns[name];

export const valueIn = ({ row, time }: WrittenRow, name: string): Value | Json =>
  name === TIME_COLUMN ? (time ?? null) : row[name]!;

/** The distinct tokens of the row's searchable columns. */
export const tokensOf = (table: AnyTable, row: StoredRow): readonly string[] => [
  ...new Set(table.searchable.flatMap((name: string) => (row[name] === null ? [] : everyToken(row[name] as string)))),
];

/** What is to be done in one table; no row is in two sets. */
export function changeSets({ table, changes }: TableChanges): readonly ChangeSet[] {
  const search = table.searchable.length > 0;
  const { columns, number } = layoutOf(table);
  const inserts: WrittenRow[] = [];
  const deletes: WrittenRow[] = [];
  const updates = new Map<string, { readonly columns: readonly string[]; readonly rows: WrittenRow[] }>();
  for (const change of changes) {
    const { before, after, time } = change;
    if (!after) {
      if (before) deletes.push({ row: before, time });
      continue;
    }
    if (!before) {
      inserts.push({ row: after, time });
      continue;
    }
    const changed = changedColumns(table, columns, before, change);
    if (changed.length === table.primaryKey.length) continue;
    const shape = `update ${number} ${changed.join()}`;
    const alike = updates.get(shape);
    if (alike) alike.rows.push({ row: after, time });
    else updates.set(shape, { columns: changed, rows: [{ row: after, time }] });
  }
  const sets: ChangeSet[] = [];
  if (deletes.length > 0)
    sets.push({ table, kind: 'delete', rows: deletes, columns: table.primaryKey, search, shape: `delete ${number}` });
  for (const [shape, { columns: changed, rows }] of updates) {
    const found = search && table.searchable.some((name: string) => changed.includes(name));
    sets.push({ table, kind: 'update', rows, columns: changed, search: found, shape });
  }
  if (inserts.length > 0)
    sets.push({ table, kind: 'insert', rows: inserts, columns, search, shape: `insert ${number}` });
  return sets;
}

/** The primary key and what differs, so that an index is left alone whose columns stay as they are. */
function changedColumns(
  table: AnyTable,
  columns: readonly string[],
  before: StoredRow,
  { after, time }: PendingChange,
): readonly string[] {
  const changed: string[] = [...table.primaryKey];
  for (let i = changed.length; i < columns.length; i++) {
    const name = columns[i]!;
    if (name === TIME_COLUMN ? time !== undefined : before[name] !== after![name]) changed.push(name);
  }
  return changed;
}
