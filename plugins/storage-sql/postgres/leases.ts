import { setTimeout as pause } from 'node:timers/promises';
import { turnIn } from '../../../core/lib/turn.ts';
import { DatabaseError } from '../database.ts';
import type { TransactionClient } from './client.ts';
import { databaseError } from './errors.ts';
import { LeaseSession } from './lease-session.ts';

/** Between two tries for a lock that another instance holds, in milliseconds: from half of it to one and a half. */
const POLL_MS = 200;
/** How often in a row a lock is handed on within this instance, before the others get their chance. */
const MOST_TURNS = 8;

/** Those of this instance who want a name; the first of them asks the server. */
interface Line {
  readonly waiting: Set<() => void>;
  /** The session that holds the lock now; undefined while it must be asked for. */
  holder: LeaseSession | undefined;
  turns: number;
}

/**
 * Leases among all instances: session-level advisory locks of PostgreSQL on one connection of this instance, and a line for
 * each name within it. A session may take its own lock twice, so the lines decide within the instance. Waiting is asking
 * again; a blocking lock would hold up the connection and all other names with it.
 */
export class Leases {
  readonly #connect: () => TransactionClient;
  readonly #lines = new Map<string, Line>();
  readonly #closed = new AbortController();
  #session: Promise<LeaseSession> | undefined;

  constructor(connect: () => TransactionClient) {
    this.#connect = connect;
  }

  /** As Store.lease. */
  async run<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean } = {},
  ): Promise<T | undefined> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closed.signal]) : this.#closed.signal;
    if (signal.aborted) throw calledOff(signal);
    const waits = options.wait !== false;
    let line = this.#lines.get(name);
    if (!line) {
      line = { waiting: new Set(), holder: undefined, turns: 0 };
      this.#lines.set(name, line);
    } else if (waits) await turnIn(line.waiting, signal, calledOff);
    else return undefined;
    try {
      const session = line.holder ?? (await this.#take(name, signal, waits));
      if (!session) return undefined;
      line.holder = session;
      return await fn(AbortSignal.any([signal, session.lost]));
    } finally {
      await this.#pass(name, line);
    }
  }

  /**
   * Whether the server answers, on the connection of the leases: that all others are in use is no fault. The process of
   * the server that did.
   */
  async ping(): Promise<number> {
    return (await this.#open()).ping();
  }

  /** Aborts every holder's signal, gives every lock up and refuses everyone else. */
  async close(): Promise<void> {
    this.#closed.abort(new DatabaseError('unavailable', 'the store is closed'));
    const session = await this.#session?.catch(() => undefined);
    await session?.close();
  }

  /** The session that got the lock; undefined where it is held and the caller does not wait. */
  async #take(name: string, signal: AbortSignal, waits: boolean): Promise<LeaseSession | undefined> {
    for (;;) {
      if (signal.aborted) throw calledOff(signal);
      try {
        const session = await this.#open();
        if (await session.tryLock(name)) {
          if (!signal.aborted) return session;
          await session.unlock(name);
          throw calledOff(signal);
        }
        if (!waits) return undefined;
      } catch (error) {
        // Who waits does so until the server is there again.
        if (!waits || signal.aborted) throw databaseError(error);
      }
      await pause(POLL_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  }

  #open(): Promise<LeaseSession> {
    if (!this.#session) {
      const opening = LeaseSession.open(this.#connect());
      this.#session = opening;
      const forget = () => {
        if (this.#session === opening) this.#session = undefined;
      };
      opening.then((session) => session.lost.addEventListener('abort', forget), forget);
    }
    return this.#session;
  }

  /** Gives the lock to the next in line, or up. */
  async #pass(name: string, line: Line): Promise<void> {
    const { holder } = line;
    if (holder && (line.waiting.size === 0 || ++line.turns >= MOST_TURNS || holder.lost.aborted)) {
      line.holder = undefined;
      line.turns = 0;
      await holder.unlock(name);
      if (line.waiting.size > 0) return void setTimeout(() => this.#next(name, line), POLL_MS * 1.5);
    }
    this.#next(name, line);
  }

  #next(name: string, line: Line): void {
    const [next] = line.waiting;
    if (next) next();
    else this.#lines.delete(name);
  }
}

const calledOff = (signal: AbortSignal): DatabaseError =>
  new DatabaseError('unavailable', 'the wait for the lease was called off', { cause: signal.reason });
