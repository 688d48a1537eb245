/** Milliseconds of work without a break, after which everything else of the process gets its turn. */
const LONGEST_STRETCH = 2;

/**
 * What SQLite does it does on the thread of the process, and its promises are settled at once: without a break a long
 * transaction, or many in a row, would keep timers and the network waiting for as long as they take.
 */
export class FairShare {
  #begun: number | undefined;
  #pause: Promise<void> | undefined;

  /** A promise to await before the next piece of work, where a break is due. Those who await it go on in their order. */
  break(): Promise<void> | undefined {
    if (this.#pause) return this.#pause;
    if (this.#begun === undefined) {
      this.#begun = performance.now();
      setImmediate(() => {
        this.#begun = undefined;
      });
    } else if (performance.now() - this.#begun >= LONGEST_STRETCH) {
      this.#pause = new Promise((resolve) => {
        setImmediate(() => {
          this.#pause = undefined;
          resolve();
        });
      });
    }
    return this.#pause;
  }
}
