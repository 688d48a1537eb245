import { sql } from 'kysely';
import { afterPrefix } from '../../../core/lib/compare.ts';
import { SEARCH_COLUMN, TOKEN_COLUMN, tokensTable } from '../physical.ts';
import { allOf, column, columnsOf, name, type Scope, type Sql } from './sql.ts';

/** The tokens as a tsquery: each the beginning of a lexeme. */
const tsquery = (query: readonly string[]): string =>
  query.map((token) => `'${token.replaceAll(/['\\]/g, '$&$&')}':*`).join(' & ');

/** That a token begins so, in a table of tokens. */
function begins(tokens: Scope, prefix: string): Sql {
  const token = column(tokens, TOKEN_COLUMN);
  const after = afterPrefix(prefix);
  return after === undefined ? sql`${token} >= ${prefix}` : sql`${token} >= ${prefix} and ${token} < ${after}`;
}

const tokensOf = (scope: Scope): Scope => ({ ...scope, alias: `${scope.alias}k` });

/** That each token of the query begins one of the row's. In PostgreSQL null where the row has no tokens at all. */
export function matchesTokens(scope: Scope, query: readonly string[]): Sql {
  if (scope.dialect === 'postgres') return sql`${column(scope, SEARCH_COLUMN)} @@ ${tsquery(query)}::tsquery`;
  const tokens = tokensOf(scope);
  const own = allOf(scope.table.primaryKey.map((key: string) => sql`${column(tokens, key)} = ${column(scope, key)}`));
  const each = query.map(
    (token) =>
      sql`exists (select 1 from ${name(tokensTable(scope.table))} as ${name(tokens.alias)} where ${own} and ${begins(tokens, token)})`,
  );
  return sql`(${allOf(each)})`;
}

/** The rows that a text index has for a query: in PostgreSQL those that match it, in SQLite those that have one token. */
export function fromTextIndex(scope: Scope, query: readonly string[], limit: number): Sql {
  const { table, alias } = scope;
  if (scope.dialect === 'postgres')
    return sql`select * from ${name(table.name)} as ${name(alias)} where ${column(scope, SEARCH_COLUMN)} @@ ${tsquery(query)}::tsquery limit ${limit}`;
  const tokens = tokensOf(scope);
  return sql`select ${columnsOf(tokens, table.primaryKey)} from ${name(tokensTable(table))} as ${name(tokens.alias)} where ${begins(tokens, query[0]!)} limit ${limit}`;
}

/** In SQLite: that the row is among those that have a token which begins so. */
export function hasToken(scope: Scope, prefix: string): Sql {
  const tokens = tokensOf(scope);
  const { primaryKey } = scope.table;
  return sql`(${columnsOf(scope, primaryKey)}) in (select ${columnsOf(tokens, primaryKey)} from ${name(tokensTable(scope.table))} as ${name(tokens.alias)} where ${begins(tokens, prefix)})`;
}
