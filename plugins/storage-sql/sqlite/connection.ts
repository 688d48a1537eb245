import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely';
import type { Durability } from './settings.ts';

export interface ConnectionOptions {
  readonly path: string;
  readonly readOnly: boolean;
  readonly durability: Durability;
}

/** Of each connection. Another shape of query takes the place of the one that was used the longest time ago. */
const MAX_STATEMENTS = 500;

/** 8 MiB of pages for each connection; what is not there is read from the mapped file. */
const PRAGMAS = [
  'pragma foreign_keys = on',
  'pragma cache_size = -8192',
  'pragma mmap_size = 268435456',
  'pragma temp_store = memory',
];

/**
 * One connection of node:sqlite, as Kysely drives it. What it does it does at once, on the thread of the process, so a
 * statement is never cut short. Integers come as numbers, and one that a number cannot hold exactly is an error. It waits
 * for no lock of another process: that would stop the event loop.
 */
export class Connection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  /** In the order of their last use. */
  readonly #statements = new Map<string, StatementSync>();

  constructor({ path, readOnly, durability }: ConnectionOptions) {
    this.#database = new DatabaseSync(path, { readOnly, timeout: 0 });
    try {
      for (const pragma of PRAGMAS) this.#database.exec(pragma);
      if (!readOnly) this.#makeDurable(durability);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /**
   * checkpoints.ts moves the log into the file. SQLite itself never does, for it would in a commit: one that made the log
   * long, such as that of an import, would keep the process for seconds.
   */
  #makeDurable(durability: Durability): void {
    const [{ journal_mode: mode } = {}] = this.run('pragma journal_mode = wal');
    if (mode !== 'wal') throw new Error(`the file system cannot hold a write-ahead log (journal mode '${mode}')`);
    this.#database.exec(`pragma synchronous = ${durability}`);
    this.#database.exec('pragma wal_autocheckpoint = 0');
    this.#database.exec('pragma journal_size_limit = 67108864');
  }

  /** Runs one statement. Its rows are the driver's. Throws the driver's error. */
  run(sql: string, parameters: readonly unknown[] = []): Record<string, unknown>[] {
    return this.#statement(sql).all(...(parameters as SQLInputValue[]));
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement) this.#statements.delete(sql);
    else {
      statement = this.#database.prepare(sql);
      const [oldest] = this.#statements.keys();
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.delete(oldest!);
    }
    this.#statements.set(sql, statement);
    return statement;
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return { rows: this.run(sql, parameters) as R[] };
  }

  async *streamQuery<R>({ sql, parameters }: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield { rows: this.run(sql, parameters) as R[] };
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}
