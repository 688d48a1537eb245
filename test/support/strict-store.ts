import { isDeepStrictEqual } from 'node:util';
import type { ChangeEvent, Committed } from '../../core/contracts/log.ts';
import { projectScopes } from '../../core/contracts/projects.ts';
import {
  isStoreError,
  type Key,
  type ReadTransaction,
  type Store,
  type StoreError,
  type TableWriter,
  type TransactionOptions,
  type WriteTransaction,
} from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import memdb from '../../plugins/storage-memdb/plugin.ts';

/** What the services did against the rules of core/contracts/store.ts; empty when they kept them. */
export interface Discipline {
  readonly plugin: Plugin;
  readonly violations: string[];
  /** How many writes were rehearsed, and how many reads before the first lock were answered from a rehearsal. */
  readonly counts: { rehearsals: number; stale: number };
  /**
   * None of the next so many writes is performed before all of them have been rehearsed; then they are in the order
   * in which they came. The function that is returned waits until so many have come.
   */
  together(writes: number): (arrived: number) => Promise<void>;
}

/**
 * storage-memdb as the least helpful backend that the contract allows. Each write function runs twice, and the first
 * run is rolled back. What the second reads before its first lock is what the first had read, though others may have
 * written since, as under READ COMMITTED. A key that is taken is told by the next operation or by the commit. And a
 * write without the locks it needs fails, and is recorded.
 */
export function strictStorage(): Discipline {
  const violations: string[] = [];
  const counts = { rehearsals: 0, stale: 0 };
  const barrier = new Barrier();
  const plugin: Plugin = Object.freeze({
    ...memdb,
    setup(context: unknown) {
      const made = memdb.setup(context);
      return { ...made, provides: { store: new StrictStore(made.provides.store, violations, counts, barrier) } };
    },
  });
  return { plugin, violations, counts, together: (writes) => barrier.raise(writes) };
}

class Rehearsed extends Error {}

class Barrier {
  #wanted = 0;
  #arrived = 0;
  #waiting: { readonly count: number; go(): void }[] = [];

  raise(count: number): (arrived: number) => Promise<void> {
    this.#wanted = count;
    this.#waiting = [];
    this.#arrived = 0;
    return (arrived) => this.#until(arrived);
  }

  async pass(): Promise<void> {
    // Without a barrier, whoever else is about to write may do so first.
    if (this.#arrived === this.#wanted) return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    this.#arrived += 1;
    const open = this.#until(this.#wanted);
    for (const { go } of this.#waiting.filter(({ count }) => count <= this.#arrived)) go();
    return open;
  }

  #until(count: number): Promise<void> {
    if (count === 0) return Promise.resolve();
    return new Promise((go) => this.#waiting.push({ count, go }));
  }
}

class StrictStore implements Store {
  readonly #inner: Store;
  readonly #violations: string[];
  readonly #counts: Discipline['counts'];
  readonly #barrier: Barrier;

  constructor(inner: Store, violations: string[], counts: Discipline['counts'], barrier: Barrier) {
    this.#inner = inner;
    this.#violations = violations;
    this.#counts = counts;
    this.#barrier = barrier;
  }

  get id() {
    return this.#inner.id;
  }
  get kind() {
    return this.#inner.kind;
  }
  get shared() {
    return this.#inner.shared;
  }
  get tables() {
    return this.#inner.tables;
  }

  ready(signal?: AbortSignal) {
    return this.#inner.ready(signal);
  }

  read<T>(fn: (tx: ReadTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    return this.#inner.read(fn, options);
  }

  async write<T>(fn: (tx: WriteTransaction) => Promise<T>, options?: TransactionOptions): Promise<T> {
    let reads: RecordedRead[] = [];
    const rehearse = async (inner: WriteTransaction) => {
      reads = [];
      const tx = new StrictWrite(inner, this.#violations, { record: reads });
      await fn(tx);
      tx.settle();
      throw new Rehearsed();
    };
    // Where the rehearsal fails, the performance tells why.
    await this.#inner.write(rehearse, options).catch(() => {});
    this.#counts.rehearsals += 1;
    await this.#barrier.pass();
    return this.#inner.write(async (inner) => {
      // Only once: a function that began again because of what it had read must get to see what is there.
      const replay = reads.splice(0);
      const tx = new StrictWrite(inner, this.#violations, { replay });
      const before = replay.length;
      try {
        const result = await fn(tx);
        tx.settle();
        return result;
      } finally {
        this.#counts.stale += before - replay.length;
      }
    }, options);
  }

  lease<T>(name: string, fn: (signal: AbortSignal) => Promise<T>, options?: { signal?: AbortSignal; wait?: boolean }) {
    return this.#inner.lease(name, fn, options);
  }

  onCommit(listener: (committed: Committed) => void) {
    return this.#inner.onCommit(listener);
  }
}

interface RecordedRead {
  readonly call: readonly unknown[];
  readonly result: unknown;
}

type Values = Readonly<Record<string, unknown>>;

class StrictWrite implements WriteTransaction {
  readonly #inner: WriteTransaction;
  readonly #violations: string[];
  readonly #record: RecordedRead[] | undefined;
  #replay: RecordedRead[] | undefined;
  /** '<table>/<key>' of the rows that are locked, or that this transaction inserted. */
  readonly #locked = new Map<string, 'update' | 'share' | 'inserted'>();
  #lastScope = '';
  #lastAddress = '';
  /** True from the first lock or write on: what is read then is as it is. */
  #begun = false;
  #late: StoreError | undefined;

  constructor(
    inner: WriteTransaction,
    violations: string[],
    reads: { readonly record?: RecordedRead[]; readonly replay?: RecordedRead[] },
  ) {
    this.#inner = inner;
    this.#violations = violations;
    this.#record = reads.record;
    this.#replay = reads.replay;
  }

  get now() {
    return this.#inner.now;
  }

  /** Before each operation, and before the commit: throws what an earlier operation kept to itself. */
  settle(): void {
    if (this.#late) throw this.#late;
  }

  async emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent) {
    this.#begin();
    this.#need(scopeTable.name, scopeKey, ['update'], `an event of ${event.entity} is emitted in the scope`);
    return this.#inner.emit(scopeTable, scopeKey, event);
  }

  table<T extends AnyTable>(table: T): TableWriter<T> {
    const inner: TableWriter<AnyTable> = this.#inner.table(table);
    const read = (operation: string, args: readonly unknown[], run: () => Promise<unknown>) =>
      this.#read([table.name, operation, ...args], run);
    const writer: TableWriter<AnyTable> = {
      get: (key) => read('get', [key], () => inner.get(key)) as ReturnType<typeof inner.get>,
      getMany: (keys) => read('getMany', [keys], () => inner.getMany(keys)) as ReturnType<typeof inner.getMany>,
      find: (query) => read('find', [query], () => inner.find(query)) as ReturnType<typeof inner.find>,
      count: (query) => read('count', [query], () => inner.count(query)) as ReturnType<typeof inner.count>,
      countBy: (by, query) =>
        read('countBy', [by, query], () => inner.countBy(by, query)) as ReturnType<typeof inner.countBy>,
      lock: async (key, mode) => {
        this.#begin();
        this.#lock(table.name, key, mode);
        return inner.lock(key, mode);
      },
      insert: async (row) => {
        this.#begin();
        this.#check(table.name, 'insert', {}, row as Values);
        this.#locked.set(
          `${table.name}/${keyText(table.primaryKey.map((column) => (row as Values)[column]))}`,
          'inserted',
        );
        try {
          return await inner.insert(row);
        } catch (error) {
          if (!isStoreError(error, 'already_exists')) throw error;
          this.#late = error;
          const empty = Object.fromEntries(Object.keys(table.columns).map((column) => [column, null]));
          return { ...empty, ...(row as Values), version: 1 } as Awaited<ReturnType<typeof inner.insert>>;
        }
      },
      restore: (row) => inner.restore(row),
      update: async (key, patch, options) => {
        this.#begin();
        this.#check(table.name, 'update', await inner.get(key), patch as Values);
        return inner.update(key, patch, options);
      },
      increment: async (key, amounts) => {
        this.#begin();
        this.#check(table.name, 'increment', await inner.get(key), {});
        return inner.increment(key, amounts);
      },
      delete: async (key, options) => {
        this.#begin();
        this.#check(table.name, 'delete', await inner.get(key), {});
        return inner.delete(key, options);
      },
    };
    return writer as TableWriter<T>;
  }

  #begin(): void {
    this.settle();
    this.#begun = true;
  }

  async #read(call: readonly unknown[], run: () => Promise<unknown>): Promise<unknown> {
    this.settle();
    if (this.#begun) return run();
    const [known] = this.#replay ?? [];
    if (known && isDeepStrictEqual(known.call, call)) {
      this.#replay?.shift();
      return known.result;
    }
    this.#replay = undefined;
    const result = await run();
    this.#record?.push({ call, result });
    return result;
  }

  #lock(table: string, key: Key, mode: 'update' | 'share'): void {
    const name = `${table}/${keyText(key)}`;
    const held = this.#locked.get(name);
    if (mode === 'update' && held === 'share')
      this.#violate(`${name} is locked as 'update' after it was as 'share': two who do so wait for each other`);
    if (table === projectScopes.name && held === undefined) {
      const other = [...this.#locked.keys()].find((each) => /^(users|issues|project_members)\//.test(each));
      if (other) this.#violate(`${name} is locked after ${other}: scopes come first`);
      if (keyText(key) < this.#lastScope)
        this.#violate(`${name} is locked after ${this.#lastScope}: scopes are locked in ascending order of their ids`);
      this.#lastScope = keyText(key);
    }
    if (held === undefined || held === 'share') this.#locked.set(name, mode);
  }

  /** That the write's project is locked, and the user whom the row newly refers to. */
  #check(table: string, operation: string, before: Values | undefined, patch: Values): void {
    const what = `${operation} in ${table}`;
    const projects = {
      project_scopes: operation === 'insert' ? [] : [before?.['id']],
      projects: [before?.['id'] ?? patch['id']],
      issues: [before?.['project_id'], patch['project_id']],
      project_members: [before?.['project_id'], patch['project_id']],
      workflows: [before?.['project_id'] ?? patch['project_id']],
    }[table];
    for (const id of projects ?? []) if (id) this.#need(projectScopes.name, id as Key, ['update'], what);
    const column = { issues: 'assignee_id', project_members: 'user_id' }[table];
    const user = column && patch[column];
    if (user && user !== before?.[column]) this.#need('users', user as Key, ['update', 'share'], what);
    if (table === 'users' && operation === 'insert') this.#checkAddress(patch['email_key'] as string);
    if (table === 'users' && operation !== 'insert') this.#need('users', before?.['id'] as Key, ['update'], what);
  }

  /** A unique key is a lock too, for those who want the same one. */
  #checkAddress(key: string): void {
    if (key < this.#lastAddress) this.#violate('users are inserted in ascending order of their addresses');
    this.#lastAddress = key;
  }

  #need(table: string, key: Key, modes: readonly string[], what: string): void {
    const name = `${table}/${keyText(key)}`;
    const held = this.#locked.get(name);
    if (held === undefined || !(held === 'inserted' || modes.includes(held)))
      this.#violate(
        `${what}: ${name} is ${held ? `locked as '${held}'` : 'not locked'}, it must be '${modes.join("' or '")}'`,
      );
  }

  #violate(message: string): never {
    this.#violations.push(message);
    throw new Error(`store discipline: ${message}`);
  }
}

function keyText(key: unknown): string {
  return Array.isArray(key) ? key.join('/') : String(key);
}
