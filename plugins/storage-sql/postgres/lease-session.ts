import { createHash } from 'node:crypto';
import { DatabaseError } from '../database.ts';
import type { TransactionClient } from './client.ts';

/** How often a session that holds something asks whether the server is there, and how long it waits, in milliseconds. */
const HEARTBEAT_MS = 2_000;
const ANSWER_MS = 5_000;

/** What it is called where locks, prepared statements and settings of a session are soon another's. */
export const SHARED_SESSION = 'the session is shared with others';

/** A connection of its own and the advisory locks that it holds; when it is lost, so are they. */
export class LeaseSession {
  readonly #client: TransactionClient;
  readonly #lost = new AbortController();
  readonly #held = new Set<string>();
  #heartbeat: NodeJS.Timeout | undefined;
  /** The process of the server that has answered. */
  #backend: number | undefined;

  private constructor(client: TransactionClient) {
    this.#client = client;
    client.once('end', () => this.#end());
  }

  /** Throws the driver's error. */
  static async open(client: TransactionClient): Promise<LeaseSession> {
    const session = new LeaseSession(client);
    await client.connect();
    return session;
  }

  /** Aborted when the connection is lost or given up. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the lock is held now. Throws the driver's error; then the session is lost. */
  async tryLock(name: string): Promise<boolean> {
    const rows = await this.#ask('select pg_try_advisory_lock($1::bigint) as got, pg_backend_pid() as backend', [
      keyOf(name),
    ]);
    const got = rows[0]?.['got'] === true;
    if (got) {
      this.#held.add(name);
      this.#heartbeat ??= setInterval(() => void this.ping().catch(() => {}), HEARTBEAT_MS);
    }
    return got;
  }

  /** Never throws: a session that cannot is given up, and its locks with it. */
  async unlock(name: string): Promise<void> {
    await this.#ask('select pg_advisory_unlock($1::bigint), pg_backend_pid() as backend', [keyOf(name)]).catch(
      () => {},
    );
    this.#held.delete(name);
    if (this.#held.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  /** The process of the server behind it. Throws the driver's error; then the session is lost. */
  async ping(): Promise<number> {
    await this.#ask('select pg_backend_pid() as backend', []);
    return this.#backend!;
  }

  async close(): Promise<void> {
    this.#end();
    await this.#client.end().catch(() => {});
  }

  async #ask(sql: string, parameters: readonly string[]) {
    const patience = setTimeout(() => this.#client.destroy(), ANSWER_MS);
    try {
      const { rows } = await this.#client.query(sql, parameters);
      const backend = Number(rows[0]?.['backend']);
      this.#backend ??= backend;
      if (backend !== this.#backend) throw sharedSession();
      return rows;
    } catch (error) {
      this.#client.destroy();
      throw error;
    } finally {
      clearTimeout(patience);
    }
  }

  #end(): void {
    clearInterval(this.#heartbeat);
    this.#lost.abort();
  }
}

export const sharedSession = (): DatabaseError => new DatabaseError('unavailable', SHARED_SESSION);

/** Advisory locks have numbers of 64 bits and no names; those of other programs in the same database are no trouble. */
const keyOf = (name: string): string =>
  createHash('sha256').update(`issue-tracker lease ${name}`).digest().readBigInt64BE(0).toString();
