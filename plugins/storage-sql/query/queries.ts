import type { Find, GroupCount, Page, Where } from '../../../core/contracts/query.ts';
import type { Key } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import type { Session } from '../database.ts';
import type { SqlDialect } from '../statement.ts';
import { count, countBy } from './counts.ts';
import { find } from './find.ts';
import { getMany } from './keys.ts';
import { BOUNDS, type Bounds } from './search.ts';

/**
 * The reads of TableReader in SQL: what it says of results and errors holds here, and a session adds DatabaseError. Each
 * checks its input before it runs a statement. A search in text may run several, all others one.
 */
export class Queries {
  readonly #dialect: SqlDialect;
  readonly #bounds: Bounds;

  /** `bounds` are for tests. */
  constructor(dialect: SqlDialect, bounds: Bounds = BOUNDS) {
    this.#dialect = dialect;
    this.#bounds = bounds;
  }

  getMany(session: Session, table: AnyTable, keys: readonly Key[]): Promise<StoredRow[]> {
    return getMany(this.#dialect, session, table, keys);
  }

  find(session: Session, table: AnyTable, query: Find): Promise<Page<StoredRow>> {
    return find(this.#dialect, session, table, query, this.#bounds);
  }

  count(session: Session, table: AnyTable, where?: Where): Promise<number> {
    return count(this.#dialect, session, table, where);
  }

  countBy(
    session: Session,
    table: AnyTable,
    groupBy: readonly string[],
    where?: Where,
  ): Promise<readonly GroupCount[]> {
    return countBy(this.#dialect, session, table, groupBy, where);
  }
}
