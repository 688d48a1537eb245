import type { Value } from '../../core/contracts/query.ts';
import type { AnyTable, ColumnType, Json } from '../../core/contracts/tables.ts';
import { type Bound, compareText, compareValues } from '../../core/lib/compare.ts';
import { indexesOf } from '../../core/lib/index-choice.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { BTree } from './btree.ts';
import { type RowKey, TextIndex } from './text-index.ts';

/** A row, or a place between rows: what is compared in an index. */
export type Place = { readonly [column: string]: Bound | Json };

/**
 * The rows themselves, in the order of an index. `clone()` shares every node until one side changes it, so a version
 * of a table is nothing but its trees.
 */
export type Tree = BTree<Place, undefined>;
/** A version of a table: a tree for each index, that of the primary key first. */
export type Trees = readonly Tree[];

export interface Index {
  readonly name: string;
  /** Where its tree is among the table's. */
  readonly position: number;
  /** Its own columns, then the rest of the primary key. */
  readonly columns: readonly string[];
  /** The columns that no two rows may share; undefined where they may. */
  readonly unique: readonly string[] | undefined;
  readonly compare: (a: Place, b: Place) => number;
}

const CODE_OF = { text: 'text(x, y)', uuid: 'x < y ? -1 : x > y ? 1 : 0' } as const;

/**
 * The order of rows by these columns. Compiled for each index: half of the cost of a write is comparing, and code that
 * many tables share looks up every column by name (measured: twice as slow).
 */
function compareBy(table: AnyTable, columns: readonly string[]): (a: Place, b: Place) => number {
  const steps = columns.map((column) => {
    const type = table.columns[column].type as ColumnType;
    const name = JSON.stringify(column);
    const plain = type === 'text' || type === 'uuid' ? 'string' : 'number';
    const order = CODE_OF[type as 'text'] ?? 'x - y';
    return `x = a[${name}]; y = b[${name}];
      order = typeof x === '${plain}' && typeof y === '${plain}' ? ${order} : values(x, y);
      if (order !== 0) return order;`;
  });
  return new Function(
    'text',
    'values',
    `return (a, b) => { if (a === b) return 0; let x, y, order; ${steps.join('\n')} return 0; }`,
  )(compareText, compareValues);
}

/** What memdb derives from the declaration of a table. */
export class TableSchema {
  readonly table: AnyTable;
  /** Where its trees are in a version of the store. */
  readonly position: number;
  readonly indexes: readonly Index[];
  readonly text: TextIndex | undefined;

  constructor(table: AnyTable, position: number) {
    this.table = table;
    this.position = position;
    this.indexes = indexesOf(table).map(({ name, columns }, i) => ({
      name,
      position: i,
      columns,
      unique: i === 0 ? table.primaryKey : table.unique[name],
      compare: compareBy(table, columns),
    }));
    this.text = table.searchable.length > 0 ? new TextIndex(table) : undefined;
  }

  index(name: string): Index {
    return this.indexes.find((index) => index.name === name)!;
  }

  empty(): Trees {
    return this.indexes.map(({ compare }) => new BTree<Place, undefined>(undefined, compare));
  }

  /** The row with these values of the primary key. */
  get(trees: Trees, key: RowKey): StoredRow | undefined {
    const { primaryKey } = this.table;
    const place: Record<string, Value> = {};
    for (let i = 0; i < primaryKey.length; i++) place[primaryKey[i]!] = key[i]!;
    return firstFrom(trees[0]!, place, this.indexes[0]!.compare);
  }
}

const found: [Place, undefined] = [{}, undefined];

/** The row at a place. */
export function firstFrom(tree: Tree, place: Place, compare: Index['compare']): StoredRow | undefined {
  const row = tree.getPairOrNextHigher(place, found)?.[0];
  return row !== undefined && compare(row, place) === 0 ? (row as StoredRow) : undefined;
}
