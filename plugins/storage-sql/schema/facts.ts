import type { Session } from '../database.ts';
import { quoted, quotedList } from './ddl.ts';

/** What the rows of a table say about a change of it. */
export interface Facts {
  isEmpty(table: string): Promise<boolean>;
  /** Whether a row has no value in the column. */
  hasNull(table: string, column: string): Promise<boolean>;
  /** Whether two rows share the values of these columns, null apart. */
  repeats(table: string, columns: readonly string[]): Promise<boolean>;
}

export function factsOf(session: Session): Facts {
  const exists = async (sql: string) => (await session.execute({ sql: `${sql} LIMIT 1`, parameters: [] })).length > 0;
  return {
    isEmpty: async (table) => !(await exists(`SELECT 1 AS "one" FROM ${quoted(table)}`)),
    hasNull: (table, column) => exists(`SELECT 1 AS "one" FROM ${quoted(table)} WHERE ${quoted(column)} IS NULL`),
    repeats: (table, columns) =>
      exists(
        `SELECT 1 AS "one" FROM ${quoted(table)} WHERE ${columns.map((name) => `${quoted(name)} IS NOT NULL`).join(' AND ')} ` +
          `GROUP BY ${quotedList(columns)} HAVING count(*) > 1`,
      ),
  };
}
