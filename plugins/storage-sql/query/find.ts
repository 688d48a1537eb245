import { sql } from 'kysely';
import {
  type Find,
  MAX_EXAMINED,
  type Order,
  type Page,
  type Value,
  type Where,
} from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { compareValues } from '../../../core/lib/compare.ts';
import { cursorOf, orderColumns, readCursor } from '../../../core/lib/cursor.ts';
import { chooseIndex, type IndexChoice } from '../../../core/lib/index-choice.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { tokens } from '../../../core/lib/tokenizer.ts';
import { checkLimit, checkWhere, conjuncts } from '../../../core/lib/where.ts';
import type { Session, SqlRow } from '../database.ts';
import { termsOf } from '../physical.ts';
import type { SqlDialect } from '../statement.ts';
import { decodeRow, selectList } from './codec.ts';
import { condition } from './condition.ts';
import { allOf, anyOf, column, compile, name, type Scope, type Sql } from './sql.ts';
import { type OrderedIndex, orderBy, orderedIndex, type Place, type Stretch, stretchesOf } from './stretch.ts';
import { fromTextIndex } from './text.ts';

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

/** As many tokens of a query are tried for one that few rows have. */
const MOST_TRIED_TOKENS = 3;

/** The number of a row among those examined, and whether it matches where it is only there for its place. */
const NUMBER = '$n';
const MATCHES = '$matches';

interface Search {
  readonly scope: Scope;
  readonly bounds: Bounds;
  readonly order: Order | undefined;
  readonly descending: boolean;
  readonly limit: number;
  readonly choice: IndexChoice;
  readonly index: OrderedIndex;
  readonly stretches: readonly Stretch[];
}

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

  const first = Math.min(bounds.examined, Math.max(bounds.firstWalk, limit * bounds.firstWalkPerRow));
  const page = await examine(session, search, first);
  if (page.rows.length === limit || page.next === undefined) return page;
  return (await lookUp(session, search, text)) ?? examine(session, search, bounds.examined);
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

const from = ({ table, alias }: Scope): Sql => sql`${name(table.name)} as ${name(alias)}`;

/** Rows of the index in order, at most so many. */
function inOrder({ scope, index, stretches, descending }: Search, list: Sql, limit: number): Sql {
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

/** A page for which the index sees to everything. */
async function walk(session: Session, search: Search): Promise<Page<StoredRow>> {
  const { scope, limit } = search;
  const list = sql.raw(selectList(scope.dialect, scope.table));
  const found = await session.execute(compile(scope.dialect, inOrder(search, list, limit + 1)));
  return pageOf(search, found);
}

function pageOf({ scope, order, limit }: Search, found: readonly SqlRow[]): Page<StoredRow> {
  const rows = found.slice(0, limit).map((row) => decodeRow(scope.table, row));
  return found.length > limit ? { rows, next: cursorOf(scope.table, order, rows.at(-1)!) } : { rows };
}

/**
 * A page of the rows in order that also match the rest of the condition, out of the first so many. The last of these and
 * the one behind it come too, when the page is not full before, for their place.
 */
async function examine(session: Session, search: Search, most: number): Promise<Page<StoredRow>> {
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

/** In SQLite: the candidates' rows, each once, and in no other way than through the candidates. */
function joined(scope: Scope): Sql {
  const keys: Scope = { ...scope, alias: 'k' };
  const same = scope.table.primaryKey.map((each: string) => sql`${column(scope, each)} = ${column(keys, each)}`);
  return sql`(select distinct * from "c") as ${name(keys.alias)} cross join ${from(scope)} on ${allOf(same)}`;
}

/** A page by way of the text index, where few rows have what is searched for; undefined where they are many. */
async function lookUp(
  session: Session,
  search: Search,
  text: Extract<Where, { op: 'text' }>,
): Promise<Page<StoredRow> | undefined> {
  const query = tokens(text.query).sort((a, b) => b.length - a.length);
  if (query.length === 0) return { rows: [] };
  if (search.scope.dialect === 'postgres') return fewWith(session, search, text, query);
  for (const token of query.slice(0, MOST_TRIED_TOKENS)) {
    const page = await fewWith(session, search, text, [token]);
    if (page) return page;
  }
  return undefined;
}

async function fewWith(
  session: Session,
  search: Search,
  text: Extract<Where, { op: 'text' }>,
  query: readonly string[],
): Promise<Page<StoredRow> | undefined> {
  const { scope, bounds, limit, choice, index, stretches, descending } = search;
  const { dialect, table, alias } = scope;
  const list = sql.raw(selectList(dialect, table));
  const place = anyOf(stretches.map(({ where }) => sql`(${allOf(where)})`));
  const residual = dialect === 'postgres' ? choice.residual.filter((part) => part !== text) : choice.residual;
  const matches = allOf([place, ...residual.map((part) => condition(scope, part, 'each'))]);
  const order = orderBy(scope, termsOf(dialect, table, index.columns), descending);
  const candidates = sql`with "c" as materialized (${fromTextIndex(scope, query, bounds.candidates + 1)})`;
  const rows =
    dialect === 'postgres'
      ? sql`select * from "c" as ${name(alias)} where ${matches}`
      : sql`select ${name(alias)}.* from ${joined(scope)} where ${matches}`;
  // Counted also where none matches.
  const found = await session.execute(
    compile(
      dialect,
      sql`${candidates} select ${list}, ${name(NUMBER)} from (select count(*) as ${name(NUMBER)} from "c") as "n" left join (${rows}) as ${name(alias)} on true order by ${order} limit ${limit + 1}`,
    ),
  );
  if (Number(found[0]![NUMBER]) > bounds.candidates) return undefined;
  const [key] = table.primaryKey;
  return pageOf(
    search,
    found.filter((row) => row[key!] !== null),
  );
}
