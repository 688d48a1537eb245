const forget = (): void => {};

/** One piece of work at a time, in the order of the calls, also for who does not wait for one before the next. */
export class InOrder {
  #last: Promise<void> | undefined;

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last ? this.#last.then(work) : work();
    const settled = result.then(forget, forget).then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    this.#last = settled;
    return result;
  }

  /** When all is done that was asked for so far. */
  get done(): Promise<void> | undefined {
    return this.#last;
  }
}
