const PAGE = 1024;

interface Page<T> {
  readonly values: (T | undefined)[];
  /** How many of the values are there. */
  used: number;
}

/** Gives things numbers, in order, none twice. */
export class Numbered<T extends {}> {
  /** A page goes when all of its things are gone, so that what was deleted long ago costs next to nothing. */
  readonly #pages: (Page<T> | undefined)[] = [];
  #next = 0;

  add(make: (number: number) => T): T {
    const number = this.#next++;
    const value = make(number);
    if (number % PAGE === 0) this.#pages.push({ values: [], used: 0 });
    const page = this.#pages.at(-1)!;
    page.values.push(value);
    page.used++;
    return value;
  }

  get(number: number): T | undefined {
    return this.#pages[Math.floor(number / PAGE)]?.values[number % PAGE];
  }

  delete(number: number): void {
    const at = Math.floor(number / PAGE);
    const page = this.#pages[at]!;
    page.values[number % PAGE] = undefined;
    page.used--;
    if (page.used === 0 && page.values.length === PAGE) this.#pages[at] = undefined;
  }
}
