import { StoreError } from '../../../core/contracts/store.ts';
import { turnIn } from '../../../core/lib/turn.ts';

/** What was waited for is no longer wanted: the signal's reason, where that is a StoreError. */
const calledOff = ({ reason }: AbortSignal): unknown =>
  reason instanceof StoreError ? reason : new StoreError('unavailable', 'the wait was called off', { cause: reason });

interface Line {
  atWork: number;
  readonly waiting: Set<() => void>;
}

/**
 * Lets a few transactions of each scope go on at a time, the others wait in the order of their arrival. They wait before
 * they have a connection, so that a scope in which many write leaves the connections to everyone else.
 */
export class ScopeQueue {
  readonly #most: number;
  readonly #lines = new Map<string, Line>();

  constructor(most = 2) {
    this.#most = most;
  }

  /** Resolves with what gives the place up, once. Rejects when the signal is aborted. */
  async take(scope: string, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) throw calledOff(signal);
    let line = this.#lines.get(scope);
    if (!line) {
      line = { atWork: 0, waiting: new Set() };
      this.#lines.set(scope, line);
    }
    if (line.atWork < this.#most) line.atWork += 1;
    // The place passes from one to the next, so `atWork` stays as it is.
    else await turnIn(line.waiting, signal, calledOff);
    return () => this.#giveUp(scope, line);
  }

  #giveUp(scope: string, line: Line): void {
    const [next] = line.waiting;
    if (next) {
      next();
      return;
    }
    line.atWork -= 1;
    if (line.atWork === 0) this.#lines.delete(scope);
  }
}
