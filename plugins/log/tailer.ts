import { setImmediate } from 'node:timers/promises';
import { isDomainError } from '../../core/contracts/errors.ts';
import type { Change, ChangeLog } from '../../core/contracts/log.ts';
import type { Logger } from '../../core/kernel/index.ts';

/** It reads so many at a time, and again at once when there were as many. */
const BATCH = 500;
/** Milliseconds until a read that failed is tried again, if nothing wakes it before. */
const RETRY_MS = 250;

type Listener = (changes: readonly Change[]) => void;

/** Follows the log for all listeners of this instance with one reader: woken by commits, hints and a timer. */
export class Tailer {
  readonly #log: Pick<ChangeLog, 'head' | 'read'>;
  readonly #logger: Logger;
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  #position = 0;
  #reading: Promise<void> | undefined;
  #woken = false;
  #open = false;
  #failing = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(log: Pick<ChangeLog, 'head' | 'read'>, logger: Logger) {
    this.#log = log;
    this.#logger = logger;
  }

  /** Begins at the log's head. */
  async open(): Promise<void> {
    this.#position = await this.#log.head();
    this.#open = true;
  }

  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  followed(): number | undefined {
    return this.#open ? this.#position : undefined;
  }

  /** Something may have been appended. Cheap to call, also when nothing was. */
  wake(): void {
    this.#woken = true;
    if (!this.#open || this.#reading || this.#closing.signal.aborted) return;
    this.#reading = this.#drain().finally(() => {
      this.#reading = undefined;
      // A wake that came after the last look and before this line would otherwise be lost.
      if (this.#woken) this.wake();
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#retry);
    await this.#reading;
  }

  async #drain(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#woken && !signal.aborted) {
      this.#woken = false;
      try {
        // A busy store commits many transactions in a turn of the process; they are read together.
        await setImmediate();
        const changes = await this.#log.read({ after: this.#position, limit: BATCH, signal });
        this.#succeeded();
        const last = changes.at(-1);
        if (!last) continue;
        this.#position = last.seq;
        if (changes.length >= BATCH) this.#woken = true;
        this.#deliver(changes);
      } catch (error) {
        if (this.#skipTrimmed(error)) continue;
        if (!signal.aborted) this.#failed(error);
        return;
      }
    }
  }

  /** A store that is away fails every look, several times a second: one line when it goes, one when it is back. */
  #failed(error: unknown): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.wake();
    }, RETRY_MS).unref();
    if (this.#failing) return;
    this.#failing = true;
    this.#logger.warn({ err: error }, 'the change log cannot be read, and is tried again');
  }

  #succeeded(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#logger.info({ after: this.#position }, 'the change log is read again');
  }

  /** A process that stood still for longer than events are kept goes on with those that are left. */
  #skipTrimmed(error: unknown): boolean {
    if (!isDomainError(error) || error.reason !== 'LOG_TRIMMED') return false;
    this.#logger.error({ after: this.#position }, 'events were deleted before this instance had read them');
    this.#position = Number(error.metadata['first']) - 1;
    this.#woken = true;
    return true;
  }

  /** One listener's mistake costs the others nothing. */
  #deliver(changes: readonly Change[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(changes);
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener of the change log threw');
      }
    }
  }
}
