import { DatabaseError } from '../database.ts';

export const calledOff = (signal: AbortSignal): DatabaseError =>
  new DatabaseError('unavailable', 'the transaction was called off', { cause: signal.reason });

/** Waits that end early: each by its signal, all by the end of the store. What was waited for goes on. */
export class Waits {
  readonly #rejects = new Set<(why: DatabaseError) => void>();

  for<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(calledOff(signal));
      signal.addEventListener('abort', abort);
      this.#rejects.add(reject);
      const settled = () => {
        signal.removeEventListener('abort', abort);
        this.#rejects.delete(reject);
      };
      promise.then(resolve, reject);
      promise.then(settled, settled);
    });
  }

  end(why: DatabaseError): void {
    for (const reject of this.#rejects) reject(why);
  }
}
