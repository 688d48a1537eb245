/** One who waits in a line. */
export interface InLine<T> {
  readonly value: T;
  before: InLine<T> | undefined;
  behind: InLine<T> | undefined;
  left: boolean;
}

/**
 * Those who wait, in the order of their arrival; everyone may leave at any time. Not a Set: V8 links the old table of a
 * Set to the one that replaces it, and as long as an old table waits for the next full collection, all that later ones
 * held stays in memory with it.
 */
export class Line<T> implements Iterable<T> {
  #first: InLine<T> | undefined;
  #last: InLine<T> | undefined;

  get first(): InLine<T> | undefined {
    return this.#first;
  }

  join(value: T): InLine<T> {
    const one: InLine<T> = { value, before: this.#last, behind: undefined, left: false };
    if (this.#last) this.#last.behind = one;
    else this.#first = one;
    this.#last = one;
    return one;
  }

  /** False for one that has left already. */
  leave(one: InLine<T>): boolean {
    if (one.left) return false;
    const { before, behind } = one;
    if (before) before.behind = behind;
    else this.#first = behind;
    if (behind) behind.before = before;
    else this.#last = before;
    // For the same reason one who is gone leads to nobody.
    one.before = undefined;
    one.behind = undefined;
    one.left = true;
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let one = this.#first; one; one = one.behind) yield one.value;
  }
}
