import { sql } from 'kysely';
import type { Page } from '../../../core/contracts/query.ts';
import { cursorOf } from '../../../core/lib/cursor.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import type { Session } from '../database.ts';
import { decodeRow, selectList } from './codec.ts';
import { condition } from './condition.ts';
import { inOrder, NUMBER, pageOf, type Search } from './search.ts';
import { allOf, compile, name } from './sql.ts';

/** Whether a row matches that is there for its place. */
const MATCHES = '$matches';

/** A page for which the index sees to everything. */
export async function walk(session: Session, search: Search): Promise<Page<StoredRow>> {
  const { scope, limit } = search;
  const list = sql.raw(selectList(scope.dialect, scope.table));
  const found = await session.execute(compile(scope.dialect, inOrder(search, list, limit + 1)));
  return pageOf(search, found);
}

/**
 * A page of the rows in order that also match the rest of the condition, out of the first so many. The last of these and
 * the one behind it come too, when the page is not full before, for their place.
 */
export async function examine(session: Session, search: Search, most: number): Promise<Page<StoredRow>> {
  const { scope, order, limit, choice } = search;
  const { dialect, table, alias } = scope;
  const list = sql.raw(selectList(dialect, table));
  const matches = allOf(choice.residual.map((part) => condition(scope, part, 'each')));
  const number = name(NUMBER);
  // The database keeps the order of what it reads from a subquery: nothing here would change it, and to sort again would
  // be to read everything first.
  const found = await session.execute(
    compile(
      dialect,
      sql`select ${list}, ${number}, case when ${number} >= ${most} then (${matches}) else true end as ${name(MATCHES)} from (select *, row_number() over () as ${number} from (${inOrder(search, sql`*`, most + 1)}) as "o") as ${name(alias)} where (${matches}) or ${number} >= ${most} limit ${limit + 2}`,
    ),
  );
  const matching = found.filter((row) => Number(row[NUMBER]) <= most && isTrue(row[MATCHES]));
  const last = found.find((row) => Number(row[NUMBER]) === most);
  const isMore = found.some((row) => Number(row[NUMBER]) > most);
  if (matching.length > limit || !last || !isMore) return pageOf(search, matching);
  const rows = matching.map((row) => decodeRow(table, row));
  return { rows, next: cursorOf(table, order, decodeRow(table, last)) };
}

const isTrue = (value: unknown): boolean => value === true || Number(value) === 1;
