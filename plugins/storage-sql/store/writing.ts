import { setTimeout } from 'node:timers/promises';
import type { Committed } from '../../../core/contracts/log.ts';
import {
  isRestart,
  StoreError,
  type TransactionOptions,
  type WriteTransaction,
} from '../../../core/contracts/store.ts';
import { Deadline } from '../../../core/lib/deadline.ts';
import { seededRandom } from '../../../core/lib/random.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { type OpenedForWrites, SqlWrite } from './sql-write.ts';

/** A write function is given up after so many runs that were in vain. */
const MOST_RUNS = 10;
/** In milliseconds, before the second run that the database wants; twice as long before each further one. */
const FIRST_WAIT = 2;
/** In milliseconds: what a commit that was sent may take, also past the deadline of its transaction. */
const LONGEST_COMMIT = 5_000;

const random = seededRandom(uuidv7());

/** One `write` of a store: its runs, each in a transaction of its own, until one is committed. */
export class Writing<T> {
  readonly #opened: OpenedForWrites;
  readonly #fn: (tx: WriteTransaction) => Promise<T>;
  readonly #tell: (committed: Committed) => void;
  readonly #deadline: Deadline;
  readonly #settled = Promise.withResolvers<T>();
  #tx: SqlWrite | undefined;
  #over: StoreError | undefined;
  #isCommitting = false;

  constructor(
    opened: OpenedForWrites,
    fn: (tx: WriteTransaction) => Promise<T>,
    options: TransactionOptions,
    tell: (committed: Committed) => void,
  ) {
    this.#opened = opened;
    this.#fn = fn;
    this.#tell = tell;
    this.#deadline = new Deadline(options, (why) => this.callOff(why));
    this.#runs()
      .then(this.#settled.resolve, this.#settled.reject)
      .finally(() => this.#deadline.clear());
  }

  get settled(): Promise<T> {
    return this.#settled.promise;
  }

  /** Ends it now. Of a commit that was sent nobody knows the end, so it has some time left. */
  callOff(why: StoreError): void {
    this.#over ??= why;
    // Its function may never return.
    this.#deadline.clear();
    if (!this.#isCommitting) {
      this.#end(why);
      return;
    }
    this.#tx?.hurry(why);
    setTimeout(LONGEST_COMMIT, undefined, { ref: false }).then(() =>
      this.#end(
        new StoreError('unavailable', 'the database does not answer a commit: it may have been stored', { cause: why }),
      ),
    );
  }

  #end(why: StoreError): void {
    this.#tx?.callOff(why);
    this.#settled.reject(why);
  }

  async #runs(): Promise<T> {
    let earliest = 0;
    for (let run = 1; ; run++) {
      const tx = new SqlWrite(this.#opened, earliest);
      this.#tx = tx;
      try {
        const value = await this.#fn(tx);
        tx.finish();
        if (this.#deadline.missed) throw this.#deadline.missed;
        this.#isCommitting = true;
        const committed = await tx.commit();
        if (committed) this.#tell(committed);
        return value;
      } catch (error) {
        this.#isCommitting = false;
        await tx.rollback();
        const { runAgain } = tx;
        // Of a commit that was called off, its own error says what is known.
        if (!runAgain && !isRestart(error)) throw error;
        if (this.#over) throw this.#over;
        if (run === MOST_RUNS)
          throw new StoreError('unavailable', `the transaction began ${run} times in vain`, { cause: error });
        if (!runAgain) continue;
        earliest = runAgain.earliest;
        await setTimeout(random.integer(0, FIRST_WAIT * 2 ** run));
        if (this.#over) throw this.#over;
      }
    }
  }
}
