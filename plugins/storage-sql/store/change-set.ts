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
}

export interface WrittenRow {
  readonly row: StoredRow;
  readonly time: number | undefined;
}

const columnsOf = new WeakMap<AnyTable, readonly string[]>();

/** All columns of an insert. */
function allColumns(table: AnyTable): readonly string[] {
  let all = columnsOf.get(table);
  if (!all) {
    const others = Object.keys(table.columns).filter((name) => !table.primaryKey.includes(name));
    all = [...table.primaryKey, ...others, 'version', ...(table.revision === undefined ? [] : [TIME_COLUMN])];
    columnsOf.set(table, all);
  }
  return all;
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
  const sets: ChangeSet[] = [];
  if (deletes.length > 0) {
    const rows = deletes.map(({ before, time }) => ({ row: before!, time }));
    sets.push({ table, kind: 'delete', rows, columns: table.primaryKey, search });
  }
  if (updates.length > 0) sets.push(...updateSets(table, updates));
  if (inserts.length > 0)
    sets.push({ table, kind: 'insert', rows: written(inserts), columns: allColumns(table), search });
  return sets;
}

/** Only what differs is written, so that an index is left alone whose columns stay as they are. */
function updateSets(table: AnyTable, updates: readonly PendingChange[]): readonly ChangeSet[] {
  const alike = new Map<string, { columns: readonly string[]; changes: PendingChange[] }>();
  for (const change of updates) {
    const { before, after, time } = change;
    const columns = allColumns(table).filter((name) =>
      name === TIME_COLUMN ? time !== undefined : table.primaryKey.includes(name) || before![name] !== after![name],
    );
    if (columns.length === table.primaryKey.length) continue;
    const shape = columns.join();
    const found = alike.get(shape);
    if (found) found.changes.push(change);
    else alike.set(shape, { columns, changes: [change] });
  }
  return Array.from(alike.values(), ({ columns, changes }) => ({
    table,
    kind: 'update' as const,
    rows: written(changes),
    columns,
    search: table.searchable.some((name: string) => columns.includes(name)),
  }));
}
