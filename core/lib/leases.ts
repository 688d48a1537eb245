import { StoreError } from '../contracts/store.ts';
import { turnIn } from './turn.ts';

/** Leases within the process: one holder a name, the others wait in line. */
export class Leases {
  /** For each held name, those who wait for it: called with its turn. */
  readonly #held = new Map<string, Set<() => void>>();
  readonly #closed = new AbortController();

  async run<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean } = {},
  ): Promise<T | undefined> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closed.signal]) : this.#closed.signal;
    if (signal.aborted) throw calledOff(signal);
    const line = this.#held.get(name);
    if (!line) this.#held.set(name, new Set());
    else if (options.wait === false) return undefined;
    else await turnIn(line, signal, calledOff);
    try {
      return await fn(signal);
    } finally {
      this.#pass(name);
    }
  }

  /** Gives the name to the first in line, or up. */
  #pass(name: string): void {
    const [next] = this.#held.get(name)!;
    if (next) next();
    else this.#held.delete(name);
  }

  /** Aborts every holder's signal and refuses everyone else. */
  close(): void {
    this.#closed.abort(new StoreError('unavailable', 'the store is closed'));
  }
}

const calledOff = (signal: AbortSignal): StoreError =>
  new StoreError('unavailable', 'the wait for the lease was called off', { cause: signal.reason });
