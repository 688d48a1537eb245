import type { Value } from '../../core/contracts/query.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { compareText, compareValues } from '../../core/lib/compare.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { tokens } from '../../core/lib/tokenizer.ts';
import { BTree } from './btree.ts';

/** The primary key's values. */
export type RowKey = readonly Value[];

const compareKeys = (a: RowKey, b: RowKey): number => {
  for (let i = 0; i < a.length; i++) {
    const order = compareValues(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return 0;
};

const NOTHING: ReadonlySet<string> = new Set();

/**
 * Token -> the keys of the rows that hold it. Unlike the other indexes it has no versions: it holds what any open
 * snapshot, the newest version or the transaction at work holds, and whoever searches it tests the rows of his own
 * snapshot. So an insert costs an append for each token, and a key goes only when nobody can see its row any more.
 */
export class TextIndex {
  readonly #table: AnyTable;
  /** Keys in order. A key is there once for each version of its row that brought the token anew. */
  readonly #postings = new BTree<string, RowKey[]>(undefined, compareText);

  constructor(table: AnyTable) {
    this.#table = table;
  }

  #tokensOf(row: StoredRow | undefined): ReadonlySet<string> {
    if (!row) return NOTHING;
    const found = new Set<string>();
    for (const column of this.#table.searchable) {
      const text = row[column] as string | null;
      if (text !== null) for (const token of tokens(text)) found.add(token);
    }
    return found;
  }

  /** Takes in the next version of a row. Returns what is to be forgotten if it is rolled back, and once it is stored. */
  change(
    before: StoredRow | undefined,
    after: StoredRow | undefined,
  ): { readonly added: Postings; readonly gone: Postings } | undefined {
    if (before && after && this.#table.searchable.every((column) => before[column] === after[column])) return undefined;
    const old = this.#tokensOf(before);
    const now = this.#tokensOf(after);
    const key: RowKey = this.#table.primaryKey.map((column) => (after ?? before)![column] as Value);
    const added = [...now].filter((token) => !old.has(token));
    for (const token of added) this.#add(token, key);
    const gone = [...old].filter((token) => !now.has(token));
    return { added: { index: this, key, tokens: added }, gone: { index: this, key, tokens: gone } };
  }

  #add(token: string, key: RowKey): void {
    const keys = this.#postings.get(token);
    if (!keys) this.#postings.set(token, [key]);
    else if (compareKeys(keys.at(-1)!, key) <= 0) keys.push(key);
    else keys.splice(place(keys, key), 0, key);
  }

  forget({ key, tokens: gone }: Postings): void {
    for (const token of gone) {
      const keys = this.#postings.get(token)!;
      if (keys.length === 1) this.#postings.delete(token);
      else keys.splice(place(keys, key), 1);
    }
  }

  /**
   * The keys of all rows with a token that begins with one of the query's tokens, the rarest of them: more rows than
   * match, never fewer. Undefined when there are more than `most`.
   */
  candidates(query: readonly string[], most: number): RowKey[] | undefined {
    let best: RowKey[] | undefined;
    for (const prefix of query) {
      const keys = this.#beginning(prefix, best ? best.length - 1 : most);
      if (keys) best = keys;
    }
    return best;
  }

  #beginning(prefix: string, most: number): RowKey[] | undefined {
    const keys: RowKey[] = [];
    for (const [token, found] of this.#postings.entries(prefix)) {
      if (!token.startsWith(prefix)) break;
      if (keys.length + found.length > most) return undefined;
      for (const key of found) keys.push(key);
    }
    return keys;
  }

  /** For tests: how many keys are held. */
  get size(): number {
    return this.#postings.valuesArray().reduce((sum, keys) => sum + keys.length, 0);
  }
}

/** Tokens of one row. */
export interface Postings {
  readonly index: TextIndex;
  readonly key: RowKey;
  readonly tokens: readonly string[];
}

/** The first place where the key is, or belongs. */
function place(keys: readonly RowKey[], key: RowKey): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
