import { sql } from 'kysely';
import { MAX_EXAMINED, type Order, type Page } from '../../../core/contracts/query.ts';
import { cursorOf } from '../../../core/lib/cursor.ts';
import type { IndexChoice } from '../../../core/lib/index-choice.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import type { SqlRow } from '../database.ts';
import { decodeRow } from './codec.ts';
import { allOf, name, type Scope, type Sql } from './sql.ts';
import { type OrderedIndex, orderBy, type Stretch } from './stretch.ts';

/** How many rows a page may cost. */
export interface Bounds {
  /** The most that are examined. */
  readonly examined: number;
  /**
   * A text search first walks through so many rows in order, or so many for each that is asked for: what is in one row of
   * those is found at once. Only then it asks the text index, which has to collect all rows with a word.
   */
  readonly firstWalk: number;
  readonly firstWalkPerRow: number;
  /** The most rows that are taken from the text index: each costs several of those that are walked through. */
  readonly candidates: number;
}
export const BOUNDS: Bounds = { examined: MAX_EXAMINED, firstWalk: 1_000, firstWalkPerRow: 20, candidates: 5_000 };

/** The number of a row among those examined, or of all. */
export const NUMBER = '$n';

/** A page that is asked for, and the stretches of the index where its rows are. */
export interface Search {
  readonly scope: Scope;
  readonly bounds: Bounds;
  readonly order: Order | undefined;
  readonly descending: boolean;
  readonly limit: number;
  readonly choice: IndexChoice;
  readonly index: OrderedIndex;
  readonly stretches: readonly Stretch[];
}

/** The rows of a table under their name. */
export const from = ({ table, alias }: Scope): Sql => sql`${name(table.name)} as ${name(alias)}`;

/** Rows of the index in order, at most so many. */
export function inOrder({ scope, index, stretches, descending }: Search, list: Sql, limit: number): Sql {
  // Without statistics SQLite may take another index, and sort.
  const by = scope.dialect === 'sqlite' && index.name !== undefined ? sql` indexed by ${name(index.name)}` : sql``;
  const selects = stretches.map(
    ({ where, order }) =>
      sql`select ${list} from ${from(scope)}${by} where ${allOf(where)} order by ${orderBy(scope, order, descending)} limit ${limit}`,
  );
  if (selects.length === 1) return selects[0]!;
  const each = selects.map((select, i) => sql`select * from (${select}) as ${name(`s${i}`)}`);
  return sql`${sql.join(each, sql` union all `)} limit ${limit}`;
}

/** The page of the rows that match, in order and, where there is one, with the row behind the page. */
export function pageOf({ scope, order, limit }: Search, found: readonly SqlRow[]): Page<StoredRow> {
  const rows = found.slice(0, limit).map((row) => decodeRow(scope.table, row));
  return found.length > limit ? { rows, next: cursorOf(scope.table, order, rows.at(-1)!) } : { rows };
}
