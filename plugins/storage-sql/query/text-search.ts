import { sql } from 'kysely';
import type { Page, Where } from '../../../core/contracts/query.ts';
import type { StoredRow } from '../../../core/lib/rows.ts';
import { tokens } from '../../../core/lib/tokenizer.ts';
import type { Session } from '../database.ts';
import { termsOf } from '../physical.ts';
import { selectList } from './codec.ts';
import { condition } from './condition.ts';
import { from, NUMBER, pageOf, type Search } from './search.ts';
import { allOf, anyOf, column, compile, name, type Scope, type Sql } from './sql.ts';
import { orderBy } from './stretch.ts';
import { fromTextIndex } from './text.ts';
import { examine } from './walk.ts';

/** As many tokens of a query are tried for one that few rows have. */
const MOST_TRIED_TOKENS = 3;

type Text = Extract<Where, { op: 'text' }>;

/** A page of a text search: in order where the word is common, by way of the text index where it is rare. */
export async function searchText(session: Session, search: Search, text: Text): Promise<Page<StoredRow>> {
  const { bounds, limit } = search;
  const first = Math.min(bounds.examined, Math.max(bounds.firstWalk, limit * bounds.firstWalkPerRow));
  const page = await examine(session, search, first);
  if (page.rows.length === limit || page.next === undefined) return page;
  return (await lookUp(session, search, text)) ?? examine(session, search, bounds.examined);
}

/** In SQLite: the candidates' rows, each once, and in no other way than through the candidates. */
function joined(scope: Scope): Sql {
  const keys: Scope = { ...scope, alias: 'k' };
  const same = scope.table.primaryKey.map((each: string) => sql`${column(scope, each)} = ${column(keys, each)}`);
  return sql`(select distinct * from "c") as ${name(keys.alias)} cross join ${from(scope)} on ${allOf(same)}`;
}

/** A page by way of the text index, where few rows have what is searched for; undefined where they are many. */
async function lookUp(session: Session, search: Search, text: Text): Promise<Page<StoredRow> | undefined> {
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
  text: Text,
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
