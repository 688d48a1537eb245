import { sql } from 'kysely';
import type { GroupCount, Value, Where } from '../../../core/contracts/query.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { tokens } from '../../../core/lib/tokenizer.ts';
import { checkGroupBy, checkWhere, conjuncts } from '../../../core/lib/where.ts';
import type { Session } from '../database.ts';
import type { SqlDialect } from '../statement.ts';
import { decode } from './codec.ts';
import { condition } from './condition.ts';
import { allOf, column, columnsOf, compile, FALSE, name, type Scope, type Sql } from './sql.ts';
import { hasToken, matchesTokens } from './text.ts';

const COUNT = '$count';

/** The rows that match, for a count of them all. */
function matching(scope: Scope, where: Where | undefined): Sql {
  if (where) checkWhere(scope.table, where);
  const parts = conjuncts(where).map((part) => {
    if (part.op !== 'text' || scope.dialect === 'postgres') return condition(scope, part, 'all');
    // SQLite begins with the rows that have the longest token, and not with all rows.
    const [longest, ...others] = tokens(part.query).sort((a, b) => b.length - a.length);
    if (longest === undefined) return FALSE;
    return others.length === 0
      ? hasToken(scope, longest)
      : sql`${hasToken(scope, longest)} and ${matchesTokens(scope, others)}`;
  });
  return sql`from ${name(scope.table.name)} as ${name(scope.alias)} where ${allOf(parts)}`;
}

/** See TableReader.count. */
export async function count(
  dialect: SqlDialect,
  session: Session,
  table: AnyTable,
  where: Where | undefined,
): Promise<number> {
  const scope: Scope = { dialect, table, alias: 't' };
  const statement = compile(dialect, sql`select count(*) as ${name(COUNT)} ${matching(scope, where)}`);
  const [row] = await session.execute(statement);
  return Number(row![COUNT]);
}

/** See TableReader.countBy. */
export async function countBy(
  dialect: SqlDialect,
  session: Session,
  table: AnyTable,
  groupBy: readonly string[],
  where: Where | undefined,
): Promise<readonly GroupCount[]> {
  const scope: Scope = { dialect, table, alias: 't' };
  const rows = matching(scope, where);
  checkGroupBy(table, groupBy);
  const columns = columnsOf(scope, groupBy);
  const order = sql.join(groupBy.map((each) => sql`${column(scope, each)} nulls last`));
  const found = await session.execute(
    compile(dialect, sql`select ${columns}, count(*) as ${name(COUNT)} ${rows} group by ${columns} order by ${order}`),
  );
  return found.map((row) => ({
    group: Object.fromEntries(groupBy.map((each) => [each, decode(table.columns[each], row[each]) as Value | null])),
    count: Number(row[COUNT]),
  }));
}
