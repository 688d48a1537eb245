export interface Beating {
  /** Once in each interval. */
  beat(): void;
}

/** One timer for all that are open. */
export class Heartbeats {
  readonly #beating = new Set<Beating>();
  readonly #ms: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Returns what to call at its end. */
  add(one: Beating): () => void {
    this.#beating.add(one);
    this.#timer ??= setInterval(() => {
      for (const each of this.#beating) each.beat();
    }, this.#ms).unref();
    return () => this.#beating.delete(one);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
