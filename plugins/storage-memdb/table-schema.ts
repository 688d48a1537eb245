import type { Value } from '../../core/contracts/query.ts';
import type { AnyTable, ColumnType, Json } from '../../core/contracts/tables.ts';
import { type Bound, compareText, compareValues } from '../../core/lib/compare.ts';
import { indexesOf } from '../../core/lib/index-choice.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { type Text, TextIndex } from './text-index.ts';
import { Tree } from './tree.ts';

/** A row, or a place between rows: what is compared in an index. */
export type Place = { readonly [column: string]: Bound | Json };

/** A version of a table. Trees share all nodes that did not change, so that is all it is. */
export interface Trees {
  /** The rows themselves, in the order of each index, that of the primary key first. */
  readonly indexes: readonly Tree<Place>[];
  /** What the newest version of each row has in the text index, by primary key. Empty where nothing is searchable. */
  readonly texts: Tree<Text>;
}

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

const CODE_OF = { text: 'text(x, y)', uuid: 'x < y ? -1 : 1' } as const;

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
      if (x !== y) {
        order = typeof x === '${plain}' && typeof y === '${plain}' ? ${order} : values(x, y);
        if (order !== 0) return order;
      }`;
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
    const trees = this.indexes.map(({ compare }) => new Tree(compare));
    const { compare } = this.indexes[0]!;
    return { indexes: trees, texts: new Tree<Text>((a, b) => compare(a.row, b.row)) };
  }

  /** The row with these values of the primary key. */
  get(trees: Trees, key: readonly Value[]): StoredRow | undefined {
    const { primaryKey } = this.table;
    const place: Record<string, Value> = {};
    for (let i = 0; i < primaryKey.length; i++) place[primaryKey[i]!] = key[i]!;
    return trees.indexes[0]!.get(place) as StoredRow | undefined;
  }
}
