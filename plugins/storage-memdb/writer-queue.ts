import type { StoreError, TransactionOptions } from '../../core/contracts/store.ts';
import { Deadline, refuseAborted } from './deadline.ts';

/** A write transaction as the queue sees it. */
export interface Turn<T> {
  /** Called when its turn has come. */
  begin(): Promise<T>;
  /** Called when begin's promise is fulfilled, before the promise of the write is. */
  commit(): void;
  /** Called instead of commit; with the reason where it was called off. */
  rollback(why?: StoreError): void;
}

interface Entry {
  start(): void;
  callOff(why: StoreError): void;
}

/** So many turns in a row, then the other work of the process gets one. */
const TURNS_IN_A_ROW = 32;

/** One writer at a time, in the order of arrival. One that passes its deadline loses its turn or its place. */
export class WriterQueue {
  /** The first is at work. */
  readonly #line = new Set<Entry>();
  #turns = 0;

  async run<T>(turn: Turn<T>, options: TransactionOptions): Promise<T> {
    refuseAborted(options);
    return new Promise<T>((resolve, reject) => {
      const entry: Entry = {
        start: () => {
          turn.begin().then(
            (value) => {
              if (!this.#line.has(entry)) return;
              turn.commit();
              resolve(value);
              leave();
            },
            (error) => {
              if (!this.#line.has(entry)) return;
              turn.rollback();
              reject(error);
              leave();
            },
          );
        },
        callOff: (why) => {
          turn.rollback(why);
          reject(why);
          leave();
        },
      };
      const deadline = new Deadline(options, entry.callOff);
      const leave = () => {
        deadline.clear();
        const [first] = this.#line;
        this.#line.delete(entry);
        const [next] = this.#line;
        if (first === entry && next) this.#begin(next);
      };
      this.#line.add(entry);
      if (this.#line.size === 1) this.#begin(entry);
    });
  }

  /** Also of one that need not wait: a program that writes in a loop would let nobody else have a turn. */
  #begin(entry: Entry): void {
    this.#turns = (this.#turns + 1) % TURNS_IN_A_ROW;
    if (this.#turns > 0) entry.start();
    else
      setImmediate(() => {
        // Called off meanwhile, it has left, and whoever follows has been started.
        if (this.#line.has(entry)) entry.start();
      });
  }

  /** Calls off everyone. */
  close(why: StoreError): void {
    const [first, ...others] = this.#line;
    for (const entry of others) entry.callOff(why);
    first?.callOff(why);
  }
}
