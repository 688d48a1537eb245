import { type DialectAdapter, type Driver, SqliteAdapter, SqliteDialect, type TransactionSettings } from 'kysely';
import { Connection, type ConnectionOptions } from './connection.ts';

/**
 * Kysely's SQLite over any number of connections to one file. It hands out a free one, or opens another: how many are
 * taken at a time is for the caller to bound.
 */
export class FileDialect extends SqliteDialect {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    super({ database: () => Promise.reject(new Error('connections come from the driver')) });
    this.#options = options;
  }

  override createDriver(): Driver {
    return new FileDriver(this.#options);
  }

  override createAdapter(): DialectAdapter {
    return new FileAdapter();
  }
}

class FileAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class FileDriver implements Driver {
  readonly #options: ConnectionOptions;
  readonly #free = new Set<Connection>();
  readonly #unfit = new WeakSet<Connection>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<Connection> {
    const [free] = this.#free;
    if (!free) return new Connection(this.#options);
    this.#free.delete(free);
    return free;
  }

  async beginTransaction(connection: Connection, { accessMode }: TransactionSettings): Promise<void> {
    try {
      connection.run(accessMode === 'read only' ? 'begin' : 'begin immediate');
      // A snapshot is that of the first read, so it is taken now.
      if (accessMode === 'read only') connection.run('select 1 from sqlite_schema limit 1');
    } catch (error) {
      // Kysely does not release the connection of a transaction that did not begin.
      await this.rollbackTransaction(connection);
      await this.releaseConnection(connection);
      throw error;
    }
  }

  async commitTransaction(connection: Connection): Promise<void> {
    connection.run('commit');
  }

  /** Never throws: a transaction that cannot be rolled back ends with its connection. */
  async rollbackTransaction(connection: Connection): Promise<void> {
    if (!connection.inTransaction) return;
    try {
      connection.run('rollback');
    } catch {
      this.#unfit.add(connection);
    }
  }

  async releaseConnection(connection: Connection): Promise<void> {
    if (this.#unfit.has(connection)) connection.close();
    else this.#free.add(connection);
  }

  async destroy(): Promise<void> {
    for (const connection of this.#free) connection.close();
    this.#free.clear();
  }
}
