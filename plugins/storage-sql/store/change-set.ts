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

const written = (changes: readonly PendingChange[]): readonly WrittenRow[] =>
  changes.map(({ after, time }) => ({ row: after!, time }));

/** What is to be done in one table; no row is in two sets. */
export function changeSets({ table, changes }: TableChanges): readonly ChangeSet[] {
  const inserts = changes.filter(({ before, after }) => !before && after);
  const updates = changes.filter(({ before, after }) => before && after);
  const deletes = changes.filter(({ before, after }) => before && !after);
  const search = table.searchable.length > 0;
  const { columns, number } = layoutOf(table);
  const sets: ChangeSet[] = [];
  if (deletes.length > 0) {
    const rows = deletes.map(({ before, time }) => ({ row: before!, time }));
    sets.push({ table, kind: 'delete', rows, columns: table.primaryKey, search, shape: `delete ${number}` });
  }
  if (updates.length > 0) sets.push(...updateSets(table, updates));
  if (inserts.length > 0) {
    const shape = `insert ${number}`;
    sets.push({ table, kind: 'insert', rows: written(inserts), columns, search, shape });
  }
  return sets;
}

/** Only what differs is written, so that an index is left alone whose columns stay as they are. */
function updateSets(table: AnyTable, updates: readonly PendingChange[]): readonly ChangeSet[] {
  const alike = new Map<string, { columns: readonly string[]; changes: PendingChange[] }>();
  const { columns: all, number } = layoutOf(table);
  for (const change of updates) {
    const { before, after, time } = change;
    const columns = all.filter((name) =>
      name === TIME_COLUMN ? time !== undefined : table.primaryKey.includes(name) || before![name] !== after![name],
    );
    if (columns.length === table.primaryKey.length) continue;
    const shape = `update ${number} ${columns.join()}`;
    const found = alike.get(shape);
    if (found) found.changes.push(change);
    else alike.set(shape, { columns, changes: [change] });
  }
  return Array.from(alike, ([shape, { columns, changes }]) => ({
    table,
    shape,
    kind: 'update' as const,
    rows: written(changes),
    columns,
    search: table.searchable.some((name: string) => columns.includes(name)),
  }));
}
