/**
 * One of each thing that is made again and again, so that what many rows hold is in memory once. It keeps at most so
 * many, and forgets them all when there are more.
 */
export class Shared<T> {
  readonly #most: number;
  readonly #things = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get(name: string, make: (name: string) => T): T {
    let thing = this.#things.get(name);
    if (thing === undefined) {
      if (this.#things.size >= this.#most) this.#things.clear();
      thing = make(name);
      this.#things.set(name, thing);
    }
    return thing;
  }
}
