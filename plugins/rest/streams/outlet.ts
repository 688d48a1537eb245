import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Where streams write to, and a caller who may take less than they give: nobody writes while it is full. Who takes
 * nothing of it for `stalledMs` is cut.
 */
export class Outlet {
  readonly #writable: Writable;
  readonly #socket: Socket;
  readonly #stalledMs: number;
  #waiting: (() => void)[] = [];

  constructor(writable: Writable, socket: Socket, stalledMs: number) {
    this.#writable = writable;
    this.#socket = socket;
    this.#stalledMs = stalledMs;
    writable.on('drain', () => {
      socket.setTimeout(0);
      this.#wake();
    });
    writable.on('close', () => this.#wake());
  }

  get isFull(): boolean {
    return this.#writable.writableNeedDrain && !this.#writable.destroyed;
  }

  /** Runs when it is no longer full; it is now. */
  whenEmpty(run: () => void): void {
    if (this.#waiting.length === 0) this.#socket.setTimeout(this.#stalledMs);
    this.#waiting.push(run);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }
}

/** One call whose messages go to an outlet. */
export class Turn {
  readonly #outlet: Outlet;
  #isOver = false;
  #wake = () => {};

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  /** The call is over: it does not wait any more. */
  over(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Settles when the outlet takes more. */
  async come(): Promise<void> {
    while (this.#outlet.isFull && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#outlet.whenEmpty(resolve);
      });
    }
  }
}
