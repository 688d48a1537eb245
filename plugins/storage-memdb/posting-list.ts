/** A longer list is kept apart from the objects of the program, with four bytes for a number. */
const SHORT = 32;

/** The numbers of the texts that hold one token. Those of forgotten texts stay until they are half of the list. */
export class PostingList {
  #numbers: number[] | Uint32Array;
  #length = 1;
  #forgotten = 0;

  constructor(number: number) {
    this.#numbers = [number];
  }

  /** How many texts it holds that are not forgotten. */
  get size(): number {
    return this.#length - this.#forgotten;
  }

  /** Numbers are added in order; the same one twice counts once. */
  add(number: number): void {
    if (this.#numbers[this.#length - 1] === number) return;
    const at = this.#length++;
    if (at < SHORT) {
      // A list that grows by `push` gets room for 16 more, and most tokens are in few texts.
      this.#numbers = (this.#numbers as number[]).concat(number);
      return;
    }
    if (at >= this.#numbers.length || at === SHORT) {
      const longer = new Uint32Array(Math.ceil(at * 1.25));
      longer.set(this.#numbers);
      this.#numbers = longer;
    }
    this.#numbers[at] = number;
  }

  /** One of its texts was forgotten. Taking each out at once would move half of a long list for each. */
  forgetOne(isKnown: (number: number) => boolean): void {
    this.#forgotten++;
    if (2 * this.#forgotten < this.#length) return;
    const known = [...this].filter(isKnown);
    this.#numbers = known.length > SHORT ? Uint32Array.from(known) : known;
    this.#length = known.length;
    this.#forgotten = 0;
  }

  /** Forgotten ones too. */
  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.#length; i++) yield this.#numbers[i]!;
  }
}
