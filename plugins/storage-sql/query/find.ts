import { sql } from 'kysely';
import type { Find, Order, Page, Value, Where } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { compareValues } from '../../../core/lib/compare.ts';
import { orderColumns, readCursor } from '../../../core/lib/cursor.ts';
import { chooseIndex } from '../../../core/lib/index-choice.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { checkLimit, checkWhere, conjuncts } from '../../../core/lib/where.ts';
import type { Session } from '../database.ts';
import type { SqlDialect } from '../statement.ts';
import { decodeRow, selectList } from './codec.ts';
import { condition } from './condition.ts';
import { type Bounds, from } from './search.ts';
import { allOf, compile, type Scope } from './sql.ts';
import { orderedIndex, type Place, stretchesOf } from './stretch.ts';
import { searchText } from './text-search.ts';
import { examine, walk } from './walk.ts';

/** One page; see TableReader.find. */
export async function find(
  dialect: SqlDialect,
  session: Session,
  table: AnyTable,
  query: Find,
  bounds: Bounds,
): Promise<Page<StoredRow>> {
  const { where, orderBy: order } = query;
  const limit = checkLimit(table, query);
  if (where) checkWhere(table, where);
  const choice = chooseIndex(table, where, order);
  const scope: Scope = { dialect, table, alias: 't' };
  const place = query.after === undefined ? undefined : placeOf(table, order, query.after);
  const descending = order?.descending ?? false;
  if (choice.single) return findSingle(session, scope, where!, place, descending);

  const index = orderedIndex(scope, choice.index);
  const stretches = stretchesOf(scope, index, choice, place, descending);
  if (stretches.length === 0) return { rows: [] };
  const search = { scope, bounds, order, descending, limit, choice, index, stretches };
  if (choice.residual.length === 0) return walk(session, search);
  const text = choice.residual.find((part) => part.op === 'text');
  if (!text) return examine(session, search, bounds.examined);
  return searchText(session, search, text);
}

/** The columns of the order, with what the cursor's row had in them. */
function placeOf(table: AnyTable, order: Order | undefined, cursor: string): Place {
  const values = readCursor(table, order, cursor);
  return Object.fromEntries(orderColumns(table, order).map((each, i) => [each, values[i]!]));
}

function isAfter(row: StoredRow, place: Place, descending: boolean): boolean {
  for (const [each, value] of Object.entries(place)) {
    const order = compareValues(row[each] as Value | null, value);
    if (order !== 0) return descending ? order < 0 : order > 0;
  }
  return false;
}

/** At most one row, by a unique key. */
async function findSingle(
  session: Session,
  scope: Scope,
  where: Where,
  place: Place | undefined,
  descending: boolean,
): Promise<Page<StoredRow>> {
  const { dialect, table } = scope;
  const list = sql.raw(selectList(dialect, table));
  const parts = allOf(conjuncts(where).map((part) => condition(scope, part, 'each')));
  const found = await session.execute(compile(dialect, sql`select ${list} from ${from(scope)} where ${parts}`));
  const rows = found.map((row) => decodeRow(table, row));
  return { rows: place ? rows.filter((row) => isAfter(row, place, descending)) : rows };
}
