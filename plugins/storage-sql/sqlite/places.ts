import { DatabaseError } from '../database.ts';

interface Waiting {
  turn(): void;
  callOff(why: DatabaseError): void;
}

/** So many at a time, the others in the order of their arrival. A wait ends by its signal. */
export class Places {
  #free: number;
  #closed: DatabaseError | undefined;
  readonly #line = new Set<Waiting>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Whoever got a place gives it back. Throws 'unavailable' when the signal is aborted, or the places are closed. */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#closed) throw this.#closed;
    if (signal.aborted) throw calledOff(signal);
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#line.delete(waiting);
        signal.removeEventListener('abort', abort);
      };
      const waiting: Waiting = {
        turn: () => {
          leave();
          resolve();
        },
        callOff: (why) => {
          leave();
          reject(why);
        },
      };
      const abort = () => waiting.callOff(calledOff(signal));
      this.#line.add(waiting);
      signal.addEventListener('abort', abort);
    });
  }

  give(): void {
    const [next] = this.#line;
    if (next) next.turn();
    else this.#free += 1;
  }

  /** Nobody gets a place any more. */
  close(why: DatabaseError): void {
    this.#closed = why;
    for (const waiting of this.#line) waiting.callOff(why);
  }
}

export const calledOff = ({ reason }: AbortSignal): DatabaseError =>
  new DatabaseError('unavailable', 'the transaction was called off', { cause: reason });
