import { StoreError } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { PendingKeys } from './pending-keys.ts';

/** The value of a primary key of one column, or the values of several as one text. */
export type RowKey = string | number | boolean;

/** A row that nobody else can change until the transaction ends. */
export interface KnownRow {
  /** As it is; undefined where this transaction has deleted it. */
  row: StoredRow | undefined;
  /** As it was sent to the database. */
  sent: StoredRow | undefined;
  mode: 'share' | 'update';
  /** What becomes the scope's time, where events are emitted in it. */
  time: number | undefined;
  isTimeSent: boolean;
}

/** What is to be sent: a row that is new, has changed, or is gone. */
export interface PendingChange {
  readonly before: StoredRow | undefined;
  readonly after: StoredRow | undefined;
  /** Of a scope, where it is to be written. */
  readonly time: number | undefined;
}

export interface TableChanges {
  readonly table: AnyTable;
  readonly changes: readonly PendingChange[];
}

interface TableBuffer {
  readonly table: AnyTable;
  readonly known: Map<RowKey, KnownRow>;
  /** In the order in which they were changed first. */
  readonly pending: Map<RowKey, KnownRow>;
  readonly keys: PendingKeys;
}

/** What a transaction knows of rows, and what it has changed and not yet sent: the last state of each row. */
export class WriteBuffer {
  readonly #tables = new Map<string, TableBuffer>();
  #size = 0;

  /** How many rows are pending. */
  get size(): number {
    return this.#size;
  }

  hasPending(table: AnyTable): boolean {
    return (this.#tables.get(table.name)?.pending.size ?? 0) > 0;
  }

  known(table: AnyTable, key: RowKey): KnownRow | undefined {
    return this.#tables.get(table.name)?.known.get(key);
  }

  /** A row that was locked. What is known of it already holds, for it may have been changed since. */
  learn(table: AnyTable, key: RowKey, row: StoredRow, mode: 'share' | 'update'): KnownRow {
    const { known } = this.#table(table);
    let entry = known.get(key);
    if (!entry) {
      entry = { row, sent: row, mode, time: undefined, isTimeSent: true };
      known.set(key, entry);
    } else if (mode === 'update') entry.mode = mode;
    return entry;
  }

  /**
   * Makes the row of this key what it is to be: it is known and locked as 'update', or new. False, and nothing is changed,
   * when what is pending must be sent before. Throws `already_exists`.
   */
  put(table: AnyTable, key: RowKey, row: StoredRow | undefined): boolean {
    const { known, pending, keys } = this.#table(table);
    let entry = known.get(key);
    if (!keys.change(key, entry?.row, row)) return false;
    if (!entry) {
      entry = { row: undefined, sent: undefined, mode: 'update', time: undefined, isTimeSent: true };
      known.set(key, entry);
    }
    entry.row = row;
    if (!pending.has(key)) {
      pending.set(key, entry);
      this.#size += 1;
    }
    return true;
  }

  /** Makes this the scope's time. Its row is pending or known. */
  setTime(table: AnyTable, key: RowKey, time: number): void {
    const { known, pending } = this.#table(table);
    const entry = known.get(key);
    if (!entry) throw new StoreError('invalid', `the scope of ${table.name} is not locked`, { table: table.name });
    if (entry.time === time) return;
    entry.time = time;
    entry.isTimeSent = false;
    if (!pending.has(key)) {
      pending.set(key, entry);
      this.#size += 1;
    }
  }

  /** Hands over what is pending, to be sent now. */
  take(): readonly TableChanges[] {
    const all: TableChanges[] = [];
    for (const { table, pending, keys } of this.#tables.values()) {
      if (pending.size === 0) continue;
      const changes: PendingChange[] = [];
      for (const entry of pending.values()) {
        const { sent, row, time, isTimeSent } = entry;
        entry.sent = row;
        entry.isTimeSent = true;
        if (sent !== row || !isTimeSent)
          changes.push({ before: sent, after: row, time: isTimeSent ? undefined : time });
      }
      pending.clear();
      keys.clear();
      if (changes.length > 0) all.push({ table, changes });
    }
    this.#size = 0;
    return all;
  }

  /** Forgets the rows that are sent, so that a transaction of very many does not hold them all. Scopes stay known. */
  forgetSent(): void {
    for (const { table, known, pending } of this.#tables.values())
      if (table.revision === undefined && pending.size === 0) known.clear();
  }

  #table(table: AnyTable): TableBuffer {
    let found = this.#tables.get(table.name);
    if (!found) {
      found = { table, known: new Map(), pending: new Map(), keys: new PendingKeys(table) };
      this.#tables.set(table.name, found);
    }
    return found;
  }
}
