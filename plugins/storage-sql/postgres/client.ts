import type { Duplex } from 'node:stream';
import { DatabaseError } from '../database.ts';
import { requestCancel } from './cancel-request.ts';
import { endsConnection, isBehindFailure, isReadOnly, isStale, serverError } from './errors.ts';
import type { PreparedNames } from './prepared-names.ts';

/** What the driver answers to a statement. */
export interface PgResult {
  readonly command: string;
  readonly rowCount: number | null;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** As much of the driver's client as is used here; the driver has no types of its own. */
export interface PgClient {
  /** `ssl`: what TLS is made with; false where there is none. */
  readonly connection: { readonly stream: Duplex; readonly ssl: object | false };
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
  connect(): Promise<unknown>;
  query(text: string | PgQuery, values?: readonly unknown[]): Promise<PgResult>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'connect' | 'end', listener: () => void): unknown;
}

interface PgQuery {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly name?: string;
}

type PgClientClass = new (options: object) => PgClient;

/** The driver's client with what transactions need here. */
export interface TransactionClient extends PgClient {
  /** False when the connection was lost or given up. */
  readonly alive: boolean;
  /** True while it connects, and while a statement was sent and not answered. */
  readonly busy: boolean;
  /** Has the server end the statements that are not answered. The connection serves for no other transaction then. */
  cancel(): void;
  /** Ends the connection at once; what runs on the server is cancelled, and rolled back. */
  destroy(): void;
}

export type TransactionClientClass = new (options: object) => TransactionClient;

/** A statement that a client answers with itself, and without asking the server. */
export const IDENTIFY = '-- which client is this?';

const NOTHING_SENT: PgResult = { command: '', rowCount: null, rows: [] };
const BEGIN = /^(begin$|start transaction )/;

/**
 * The client that MikroORM's pool makes. What MikroORM asks of it to begin and to end a transaction it does in other ways:
 *
 * - BEGIN travels with the first statement, and a transaction without any sends nothing at all.
 * - ROLLBACK never fails: where the connection is lost, so is the transaction. (It failed, and the pool's slot with it
 *   was lost for ever: a transaction gives its connection back when ROLLBACK has succeeded.)
 * - A statement behind one that failed fails by the same error.
 * - COMMIT fails where the server answers it with ROLLBACK, as it does after a statement that failed.
 *
 * Statements that are used often are prepared once on each connection. `open` has the clients whose connection is there.
 */
export function transactionClient(
  Base: PgClientClass,
  prepared: PreparedNames,
  connectTimeoutMs: number,
  open: Set<TransactionClient>,
): TransactionClientClass {
  return class extends Base implements TransactionClient {
    /** A BEGIN that was not sent yet. */
    #begin: string | undefined;
    #destroyed = false;
    #lost = false;
    #connecting = true;
    #cancelled = false;
    #corked = false;
    /** Statements that were sent and not answered. */
    #running = 0;
    /** What the first statement of the transaction that failed did so by. */
    #failure: unknown;

    constructor(options: object) {
      const { password } = options as { password?: string };
      // The pool's own patience is for all of the wait; and its password is not enumerable.
      super({ ...options, password, connectionTimeoutMillis: connectTimeoutMs });
      // A lost connection fails its statements; without a listener it would end the process.
      this.on('error', () => {
        this.#lost = true;
      });
      this.once('end', () => {
        this.#lost = true;
        open.delete(this);
      });
      this.once('connect', () => {
        this.#connecting = false;
      });
      open.add(this);
    }

    get alive(): boolean {
      return !this.#destroyed && !this.#lost;
    }

    get busy(): boolean {
      return this.#connecting || this.#running > 0;
    }

    override async query(text: string | PgQuery, values: readonly unknown[] = []): Promise<PgResult> {
      if (typeof text !== 'string') return super.query(text);
      if (text === IDENTIFY) return { ...NOTHING_SENT, rows: [this as never] };
      if (BEGIN.test(text)) {
        this.#begin = text;
        this.#failure = undefined;
        return NOTHING_SENT;
      }
      const begin = this.#begin;
      this.#begin = undefined;
      if (text === 'rollback') return begin === undefined ? this.#rollback() : NOTHING_SENT;
      if (text === 'commit') return begin === undefined ? this.#commit() : NOTHING_SENT;
      return begin === undefined ? this.#run(text, values) : this.#beginWith(begin, text, values);
    }

    async #run(text: string, values: readonly unknown[]): Promise<PgResult> {
      this.#running++;
      this.#sendTogether();
      try {
        const name = values.length === 0 ? undefined : prepared.nameOf(text);
        return await super.query(name === undefined ? { text, values } : { text, values, name });
      } catch (error) {
        const server = serverError(error);
        if (server && (isStale(server) || isReadOnly(server) || endsConnection(server))) this.destroy();
        if (server && isBehindFailure(server) && this.#failure !== undefined) throw this.#failure;
        this.#failure ??= error;
        throw error;
      } finally {
        this.#running--;
      }
    }

    /** What is given in one go is written in one go. */
    #sendTogether(): void {
      if (this.#corked) return;
      this.#corked = true;
      this.connection.stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.connection.stream.uncork();
      });
    }

    async #beginWith(begin: string, text: string, values: readonly unknown[]): Promise<PgResult> {
      const [beginning, first] = await Promise.allSettled([this.#run(begin, []), this.#run(text, values)]);
      if (first.status === 'rejected') throw first.reason;
      if (beginning.status === 'fulfilled') return first.value;
      // The statement ran outside of a transaction; nothing may follow it.
      this.destroy();
      throw new DatabaseError('unknown', 'BEGIN failed, and the statement behind it did not', {
        cause: beginning.reason,
      });
    }

    async #commit(): Promise<PgResult> {
      const result = await this.#run('commit', []);
      if (this.#cancelled) this.destroy();
      if (result.command !== 'COMMIT')
        throw new DatabaseError('failed', 'the transaction was rolled back: an earlier statement of it failed');
      return result;
    }

    async #rollback(): Promise<PgResult> {
      if (!this.alive) return NOTHING_SENT;
      try {
        const result = await this.#run('rollback', []);
        if (this.#cancelled) this.destroy();
        return result;
      } catch {
        this.destroy();
        return NOTHING_SENT;
      }
    }

    cancel(): void {
      if (this.#running === 0 || !this.alive) return;
      // The server may come to it late, when something else runs: so nothing else is to run.
      this.#cancelled = true;
      requestCancel(this);
    }

    destroy(): void {
      if (this.#destroyed) return;
      if (this.#running > 0 && this.alive) requestCancel(this);
      this.#destroyed = true;
      // One that is connecting must fail to connect, or the pool waits for it.
      if (!this.#connecting) void this.end().catch(() => {});
      this.connection.stream.destroy();
    }
  };
}
