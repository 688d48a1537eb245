import type { AnyTable } from '../../core/contracts/tables.ts';
import type { StoredRow } from '../../core/lib/rows.ts';
import { everyToken, tokens } from '../../core/lib/tokenizer.ts';
import { Numbered } from './numbered.ts';
import { PostingList } from './posting-list.ts';
import { Tree } from './tree.ts';

/** V8 may make a shorter string by copying, but one of so many characters by pointing into the text. */
const SLICED_FROM = 13;

const byUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** What a row has in its searchable columns, from the version that brought it until that which changes it. */
export interface Text {
  readonly index: TextIndex;
  /** No two texts of an index have one. */
  readonly number: number;
  /** The version that brought it. */
  readonly row: StoredRow;
}

/**
 * Token -> the numbers of the texts that hold it. Numbers, because the garbage collector has nothing to do for them.
 * Unlike the other indexes this one has no versions: it holds what any open snapshot, the newest version or the
 * transaction at work holds, and whoever searches it tests the rows of his own snapshot. So an insert costs an append
 * for each token, and a text goes only when nobody can see it any more.
 */
export class TextIndex {
  readonly #table: AnyTable;
  readonly #texts = new Numbered<Text>();
  readonly #postings = new Map<string, PostingList>();
  /** All tokens, so ordered that those which begin alike stand together. */
  #tokens = new Tree(byUnit);

  constructor(table: AnyTable) {
    this.#table = table;
  }

  isSame(before: StoredRow, after: StoredRow): boolean {
    return this.#table.searchable.every((column) => before[column] === after[column]);
  }

  /** Takes in the text of a row. */
  add(row: StoredRow): Text {
    const text = this.#texts.add((number) => ({ index: this, number, row }));
    for (const token of everyToken(this.#textOf(row))) {
      const list = this.#postings.get(token);
      if (list) list.add(text.number);
      else {
        const own = token.length < SLICED_FROM ? token : Buffer.from(token).toString();
        this.#postings.set(own, new PostingList(text.number));
        this.#tokens = this.#tokens.with(own);
      }
    }
    return text;
  }

  forget({ number, row }: Text): void {
    this.#texts.delete(number);
    const isKnown = (each: number) => this.#texts.get(each) !== undefined;
    for (const token of tokens(this.#textOf(row))) {
      const list = this.#postings.get(token)!;
      list.forgetOne(isKnown);
      if (list.size > 0) continue;
      this.#postings.delete(token);
      this.#tokens = this.#tokens.without(token);
    }
  }

  #textOf(row: StoredRow): string {
    return this.#table.searchable.map((column) => row[column]).join('\n');
  }

  /**
   * Rows, in some version, with a token that begins with one of the query's tokens, the rarest of them: more rows than
   * match, never fewer; some of them twice. Undefined when there are more than `most`.
   */
  candidates(query: readonly string[], most: number): StoredRow[] | undefined {
    let best: PostingList[] | undefined;
    let fewest = most;
    for (const prefix of query) {
      const lists = this.#beginning(prefix, fewest);
      if (!lists) continue;
      best = lists;
      fewest = lists.reduce((sum, list) => sum + list.size, -1);
    }
    if (!best) return undefined;
    const rows: StoredRow[] = [];
    for (const list of best)
      for (const number of list) {
        const text = this.#texts.get(number);
        if (text) rows.push(text.row);
      }
    return rows;
  }

  /** The lists of all tokens that begin so, where they hold at most so many texts. */
  #beginning(prefix: string, most: number): PostingList[] | undefined {
    const lists: PostingList[] = [];
    let size = 0;
    this.#tokens.ascend(prefix, (token) => {
      if (!token.startsWith(prefix)) return true;
      const list = this.#postings.get(token)!;
      size += list.size;
      lists.push(list);
      return size > most;
    });
    return size > most ? undefined : lists;
  }

  /** For tests: how many times a text is held by a token. */
  get size(): number {
    let size = 0;
    for (const list of this.#postings.values()) size += list.size;
    return size;
  }
}
