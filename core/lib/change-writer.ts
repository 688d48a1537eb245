import { type ChangeEvent, type Committed, changesTable, historyTable } from '../contracts/log.ts';
import { isStoreError, type Key, StoreError, type TableWriter, type WriteTransaction } from '../contracts/store.ts';
import type { AnyTable, Json } from '../contracts/tables.ts';
import { Shared } from './shared.ts';
import { uuidv7Series } from './uuid.ts';

interface ScopeInTransaction {
  readonly name: string;
  readonly revision: number;
  ordinal: number;
}

// A log of a million events has few scopes at a time, and few different lists of fields.
const scopeNames = new Shared<string>(10_000);
const fieldLists = new Shared<readonly string[]>(1_000);

/** '<table>/<key>': how the change log names a scope. */
export function scopeName(scopeTable: AnyTable, key: Key): string {
  const name = `${scopeTable.name}/${Array.isArray(key) ? key.join('/') : key}`;
  return scopeNames.get(name, () => name);
}

const listOf = (fields: readonly string[]): readonly string[] =>
  fieldLists.get(JSON.stringify(fields), () => Object.freeze(fields));

const valuesOf = (values: readonly Json[]): readonly Json[] | null =>
  values.every((value) => value === null) ? null : Object.freeze(values);

/**
 * `emit` of a write transaction, on top of its tables: for storage plugins. One for each transaction.
 * `nextSeq` gives each event its place in the total order; without it that is left to the log plugin.
 */
export class ChangeWriter {
  readonly #tx: Pick<WriteTransaction, 'table' | 'now'>;
  readonly #nextSeq: (() => number) | undefined;
  readonly #scopes = new Map<string, Promise<ScopeInTransaction>>();
  readonly #changes: Committed['changes'][number][] = [];
  #transaction: string | undefined;
  #nextId: (() => string) | undefined;
  #seq: number | null = null;

  constructor(tx: Pick<WriteTransaction, 'table' | 'now'>, nextSeq?: () => number) {
    this.#tx = tx;
    this.#nextSeq = nextSeq;
  }

  /** What to tell the listeners after the commit; undefined when nothing was emitted. */
  get committed(): Committed | undefined {
    return this.#changes.length === 0 ? undefined : { seq: this.#seq, changes: this.#changes };
  }

  async emit(scopeTable: AnyTable, scopeKey: Key, event: ChangeEvent): Promise<{ readonly revision: number }> {
    const changes = this.#table(changesTable);
    const history = this.#table(historyTable);
    const name = scopeName(scopeTable, scopeKey);
    let counted = this.#scopes.get(name);
    if (!counted) {
      counted = this.#count(scopeTable, scopeKey, name);
      this.#scopes.set(name, counted);
      // The scope's row may be inserted later on.
      counted.catch(() => this.#scopes.delete(name));
    }
    const scope = await counted;

    const { entity, entityId, kind, actor } = event;
    this.#seq = this.#nextSeq?.() ?? null;
    this.#nextId ??= uuidv7Series(this.#tx.now);
    const id = this.#nextId();
    this.#transaction ??= id;
    const { revision } = scope;
    const ordinal = scope.ordinal++;
    this.#changes.push({ entity, entityId, scope: name });
    const fields = listOf(event.changes.map(({ field }) => field));
    const same = {
      id,
      scope: name,
      revision,
      ordinal,
      time: this.#tx.now,
      actor,
      entity,
      entity_id: entityId,
      kind,
      fields,
    };
    await changes.insert({
      ...same,
      seq: this.#seq,
      transaction: this.#transaction,
      after: event.after,
      context: event.context ?? null,
    });
    if (event.history !== false)
      await history.insert({
        ...same,
        before: valuesOf(event.changes.map(({ from }) => from)),
        after: valuesOf(event.changes.map(({ to }) => to)),
      });
    return { revision };
  }

  /** The transaction's revision of a scope: taken once, by its first event there. */
  async #count(scopeTable: AnyTable, key: Key, name: string): Promise<ScopeInTransaction> {
    const column = scopeTable.revision as string | undefined;
    if (column === undefined)
      throw new StoreError('invalid', `table '${scopeTable.name}' declares no revision: its rows are not scopes`, {
        table: scopeTable.name,
      });
    const row = await this.#tx.table(scopeTable).increment(key, { [column]: 1 });
    return { name, revision: row[column] as number, ordinal: 0 };
  }

  #table<T extends AnyTable>(table: T): TableWriter<T> {
    try {
      return this.#tx.table(table);
    } catch (error) {
      if (!isStoreError(error, 'invalid')) throw error;
      throw new StoreError('invalid', `emit needs the table '${table.name}', which the log plugin contributes`, {
        table: table.name,
        cause: error,
      });
    }
  }
}
