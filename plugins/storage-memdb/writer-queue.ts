import type { StoreError, TransactionOptions } from '../../core/contracts/store.ts';
import { Deadline, refuseAborted } from '../../core/lib/deadline.ts';
import { Line } from './line.ts';

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
  readonly #line = new Line<Entry>();
  #turns = 0;

  async run<T>(turn: Turn<T>, options: TransactionOptions): Promise<T> {
    refuseAborted(options);
    return new Promise<T>((resolve, reject) => {
      const entry: Entry = {
        start: () => {
          turn.begin().then(
            (value) => {
              if (one.left) return;
              const { missed } = deadline;
              if (missed) return entry.callOff(missed);
              turn.commit();
              resolve(value);
              leave();
            },
            (error) => {
              if (one.left) return;
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
        const wasFirst = this.#line.first === one;
        this.#line.leave(one);
        if (wasFirst) this.#beginFirst();
      };
      const one = this.#line.join(entry);
      if (this.#line.first === one) this.#beginFirst();
    });
  }

  /** Also of one that need not wait: a program that writes in a loop would let nobody else have a turn. */
  #beginFirst(): void {
    const { first } = this.#line;
    if (!first) return;
    this.#turns = (this.#turns + 1) % TURNS_IN_A_ROW;
    if (this.#turns > 0) first.value.start();
    else
      setImmediate(() => {
        // Called off meanwhile, it has left, and whoever follows has been started.
        if (!first.left) first.value.start();
      });
  }

  /** Calls off everyone. */
  close(why: StoreError): void {
    const [first, ...others] = this.#line;
    for (const entry of others) entry.callOff(why);
    first?.callOff(why);
  }
}
