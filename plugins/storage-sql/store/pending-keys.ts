import { StoreError } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';

/** The values of a unique key, as one text with the key's name; undefined where one of them is null. */
function valuesOf(name: string, columns: readonly string[], row: StoredRow | undefined): string | undefined {
  if (!row) return undefined;
  let text = name;
  for (const column of columns) {
    const value = row[column];
    if (value === null) return undefined;
    text += typeof value === 'string' ? `\n${value.length}:${value}` : `\n${value}`;
  }
  return text;
}

/**
 * The unique keys that a table's pending writes take and give up. Pending writes are sent in no order, so none may take
 * what another gives up; and one that took a key while another row had it is refused, also if that row gives it up later.
 */
export class PendingKeys {
  readonly #table: AnyTable;
  readonly #unique: readonly (readonly [name: string, columns: readonly string[]])[];
  /** Values -> the row that takes them. */
  readonly #taken = new Map<string, unknown>();
  /** Values -> the row that has them in the database, and gives them up. */
  readonly #given = new Map<string, unknown>();

  constructor(table: AnyTable) {
    this.#table = table;
    this.#unique = Object.entries<readonly string[]>(table.unique);
  }

  /**
   * Notes that the row of this key changes. False, and nothing is noted, when the pending writes must be sent before.
   * Throws `already_exists`.
   */
  change(key: unknown, from: StoredRow | undefined, to: StoredRow | undefined): boolean {
    const changes: { readonly gives: string | undefined; readonly takes: string | undefined }[] = [];
    for (const [name, columns] of this.#unique) {
      const gives = valuesOf(name, columns, from);
      const takes = valuesOf(name, columns, to);
      if (gives === takes) continue;
      if (this.#isTaken(takes, key) || this.#isTaken(gives, key)) throw this.#refusal(name);
      changes.push({ gives, takes });
    }
    for (const { takes } of changes)
      if (takes !== undefined && this.#given.has(takes) && this.#given.get(takes) !== key) return false;
    for (const { gives, takes } of changes) {
      if (gives !== undefined && !this.#taken.delete(gives)) this.#given.set(gives, key);
      if (takes !== undefined && !this.#given.delete(takes)) this.#taken.set(takes, key);
    }
    return true;
  }

  /** The pending writes were sent. */
  clear(): void {
    this.#taken.clear();
    this.#given.clear();
  }

  /** By another row. */
  #isTaken(values: string | undefined, key: unknown): boolean {
    return values !== undefined && this.#taken.has(values) && this.#taken.get(values) !== key;
  }

  #refusal(name: string): StoreError {
    const { name: table } = this.#table;
    return new StoreError('already_exists', `${table}: the key '${name}' is taken`, { table, key: name });
  }
}
