import { type AbstractSqlConnection, MikroORM, SqliteDriver } from '@mikro-orm/sql';
import { CompiledQuery, type ControlledTransaction } from 'kysely';
import { Leases } from '../../../core/lib/leases.ts';
import { type Database, DatabaseError, type Session, type SqlRow, type Transaction } from '../database.ts';
import type { Statement } from '../statement.ts';
import { whileBusy } from './busy.ts';
import { Checkpoints, type LogLength } from './checkpoints.ts';
import { FileDialect } from './dialect.ts';
import { databaseError, faultOf } from './errors.ts';
import { FairShare } from './fair-share.ts';
import { cannotOpen, MARK, type OpenFile, openFile } from './file.ts';
import { InOrder } from './in-order.ts';
import { Places } from './places.ts';
import type { SqliteSettings } from './settings.ts';
import { SqliteTransaction } from './transaction.ts';

/** Connections of one kind, and how many may be taken at a time. */
interface Side {
  readonly connection: AbstractSqlConnection;
  readonly places: Places;
}

const NEVER = new AbortController().signal;

/** Everything else of a session goes to the writer. */
const READS = /^\s*(?:select|with|values|explain)\b/i;

/**
 * One SQLite file. One connection writes, and its writers stand in line for it. Reads have connections of their own,
 * which are a replica to MikroORM: each sees the last commit, and none waits for the writer.
 */
export class SqliteDatabase implements Database {
  readonly dialect = 'sqlite';
  readonly shared = false;
  readonly #orm: MikroORM;
  readonly #file: OpenFile;
  readonly #writes: Side;
  readonly #reads: Side;
  readonly #share = new FairShare();
  readonly #leases = new Leases();
  readonly #checkpoints: Checkpoints;
  readonly #open = new Set<SqliteTransaction>();
  #closed: DatabaseError | undefined;
  #closing: Promise<void> | undefined;
  /** What is wrong with the file, as far as the last statements have told. */
  #fault: DatabaseError | undefined;

  private constructor(orm: MikroORM, file: OpenFile, readers: number) {
    this.#orm = orm;
    this.#file = file;
    const side = (type: 'read' | 'write', count: number): Side => ({
      connection: orm.driver.getConnection(type) as AbstractSqlConnection,
      places: new Places(count),
    });
    this.#writes = side('write', 1);
    this.#reads = side('read', readers);
    this.#checkpoints = new Checkpoints({
      path: file.path,
      measure: () => this.#measureLog(),
      alone: (fn) => this.#alone(fn),
    });
  }

  /**
   * Makes the file where it does not exist. Throws DatabaseError with one line for the operator; also where another
   * program has it locked for longer than `patience`, in milliseconds.
   */
  static async open({ path, synchronous, readers }: SqliteSettings, patience = 5_000): Promise<SqliteDatabase> {
    const file = openFile(path);
    const dialect = (readOnly: boolean) => () =>
      new FileDialect({ path: file.path, readOnly, durability: synchronous });
    const orm = new MikroORM({
      driver: SqliteDriver,
      dbName: file.path,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      driverOptions: dialect(false),
      replicas: [{ name: 'reads', driverOptions: dialect(true) }],
    });
    try {
      await orm.connect();
      const database = new SqliteDatabase(orm, file, readers);
      await database.#mark(AbortSignal.timeout(patience));
      return database;
    } catch (error) {
      await orm.close(true);
      file.release();
      throw cannotOpen(path, error);
    }
  }

  async #mark(patience: AbortSignal): Promise<void> {
    await this.session(patience)
      .execute(MARK)
      .catch((error: unknown) => {
        throw patience.aborted ? new DatabaseError('unavailable', 'another program has it locked') : error;
      });
  }

  /** Of the file: absolute, without symbolic links. */
  get path(): string {
    return this.#file.path;
  }

  async begin(mode: 'read' | 'write', signal: AbortSignal): Promise<Transaction> {
    const { connection, places } = mode === 'read' ? this.#reads : this.#writes;
    await places.take(signal);
    try {
      await this.#share.break();
      const open: ControlledTransaction<unknown> = await whileBusy(signal, () => {
        this.#refuseLost();
        return connection.begin({ readOnly: mode === 'read' });
      });
      const transaction = new SqliteTransaction({
        mode,
        connection,
        open,
        signal,
        share: this.#share,
        refuseLost: () => this.#refuseLost(),
        ended: (ended, outcome) => {
          this.#open.delete(ended);
          places.give();
          if (outcome instanceof DatabaseError) this.#notice(outcome);
          else if (outcome === 'committed' && mode === 'write') this.#written();
        },
      });
      this.#open.add(transaction);
      return transaction;
    } catch (error) {
      places.give();
      throw this.#notice(databaseError(error, mode));
    }
  }

  session(signal: AbortSignal): Session {
    // Reads and writes go to different connections, and yet each comes after those that were given before it.
    const order = new InOrder();
    return { execute: (statement) => order.run(() => this.#runAlone(statement, signal)) };
  }

  async #runAlone({ sql, parameters }: Statement, signal: AbortSignal): Promise<readonly SqlRow[]> {
    const mode = READS.test(sql) ? 'read' : 'write';
    const { connection, places } = mode === 'read' ? this.#reads : this.#writes;
    await places.take(signal);
    try {
      await this.#share.break();
      const query = CompiledQuery.raw(sql, [...parameters]);
      const { rows } = await whileBusy(signal, () => {
        this.#refuseLost();
        return connection.getClient().executeQuery<SqlRow>(query);
      });
      if (mode === 'write') this.#written();
      return rows;
    } catch (error) {
      throw this.#notice(databaseError(error, mode));
    } finally {
      places.give();
    }
  }

  #measureLog(): Promise<LogLength> {
    return this.#alone(async () => {
      const query = CompiledQuery.raw('pragma wal_checkpoint(noop)');
      const { rows } = await this.#writes.connection.getClient().executeQuery<SqlRow>(query);
      return { pages: Number(rows[0]?.['log']), moved: Number(rows[0]?.['checkpointed']) };
    });
  }

  /** While nobody writes. */
  async #alone<T>(fn: () => Promise<T>): Promise<T> {
    const { places } = this.#writes;
    await places.take(NEVER);
    try {
      this.#refuseLost();
      return await fn();
    } finally {
      places.give();
    }
  }

  lease<T>(
    name: string,
    fn: (signal: AbortSignal) => Promise<T>,
    options: { readonly signal?: AbortSignal; readonly wait?: boolean },
  ): Promise<T | undefined> {
    return this.#leases.run(name, fn, options);
  }

  async ping(signal: AbortSignal): Promise<void> {
    this.#refuseLost();
    if (this.#fault && faultOf(this.#fault) === 'lasting') throw this.#fault;
    const session = this.session(signal);
    // After a failed write only a write can tell whether the next will do.
    if (this.#fault) await session.execute(MARK);
    await session.execute({ sql: 'select 1 from sqlite_schema limit 1', parameters: [] });
  }

  /** Ends every transaction, moves the write-ahead log into the file, and lets another process have it. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leases.close();
    this.#closed = new DatabaseError('unavailable', 'the store is closed');
    for (const { places } of [this.#writes, this.#reads]) places.close(this.#closed);
    await Promise.all([...this.#open].map((transaction) => transaction.callOff(this.#closed!)));
    await this.#checkpoints.close();
    // The replica's connections first: the last to close is the writer, which empties the write-ahead log.
    await this.#orm.close(true);
    this.#file.release();
  }

  /**
   * Asked right before each use, since MikroORM would connect again, and before each commit: what goes into a file that was
   * removed or replaced is lost, and SQLite does not notice. Costs 3 µs.
   */
  #refuseLost(): void {
    if (this.#closed) throw this.#closed;
    if (!this.#file.isThere())
      throw new DatabaseError('unavailable', 'the database file was removed or replaced: restart the process');
  }

  #notice(error: DatabaseError): DatabaseError {
    if (faultOf(error)) this.#fault = error;
    return error;
  }

  #written(): void {
    this.#checkpoints.written();
    if (this.#fault && faultOf(this.#fault) === 'passing') this.#fault = undefined;
  }
}
