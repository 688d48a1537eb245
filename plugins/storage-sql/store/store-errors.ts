import { StoreError } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { DatabaseError } from '../database.ts';
import { indexName } from '../physical.ts';

interface UniqueKey {
  readonly table: AnyTable;
  readonly key: string;
  readonly columns: readonly string[];
}

/** What a DatabaseError is to whoever uses the store. The driver's error stays the cause. */
export class StoreErrors {
  readonly #keys: ReadonlyMap<string, UniqueKey>;

  readonly #denied: (error: DatabaseError) => void;

  /** `denied` is told what an operator is to mend. */
  constructor(tables: Iterable<AnyTable>, denied: (error: DatabaseError) => void = () => {}) {
    this.#denied = denied;
    const keys = new Map<string, UniqueKey>();
    for (const table of tables)
      for (const [key, columns] of Object.entries({ ...table.unique, primary: table.primaryKey }))
        keys.set(indexName(table, key), { table, key, columns });
    this.#keys = keys;
  }

  /** An Error that is no StoreError where it is a mistake of ours. */
  errorOf(error: DatabaseError): Error {
    switch (error.kind) {
      case 'unique':
        return this.#alreadyExists(error);
      case 'unknown':
        return new StoreError(
          'unavailable',
          'the connection to the database was lost while the transaction was committed: it may have been stored',
          { cause: error },
        );
      case 'retry':
      case 'unavailable':
        return new StoreError('unavailable', 'the database does not answer, or not in time', { cause: error });
      case 'denied':
        this.#denied(error);
        return new StoreError('unavailable', 'the database does not let the tracker do its work', { cause: error });
      default:
        return new Error(`the database refused a statement: ${error.message}`, { cause: error });
    }
  }

  #alreadyExists(error: DatabaseError): Error {
    const found = error.index === undefined ? this.#keyOf(error) : this.#keys.get(error.index);
    if (!found) return new Error(`a unique index that no table declares: ${error.message}`, { cause: error });
    const { table, key } = found;
    return new StoreError('already_exists', `${table.name}: the key '${key}' is taken`, {
      table: table.name,
      key,
      cause: error,
    });
  }

  /** SQLite names the columns alone. */
  #keyOf({ table, columns = [] }: DatabaseError): UniqueKey | undefined {
    const wanted = columns.join();
    for (const key of this.#keys.values()) if (key.table.name === table && key.columns.join() === wanted) return key;
    return undefined;
  }
}
