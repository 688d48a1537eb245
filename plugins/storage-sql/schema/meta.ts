import { defineTable, text } from '../../../core/contracts/tables.ts';
import type { Session } from '../database.ts';
import type { SqlDialect } from '../statement.ts';

/** Of how tables stand in a database (physical.ts), and of what is in the table below. */
export const FORMAT = 1;

/**
 * What the store remembers about its tables. It is a table like others, so that a data migration is remembered in its
 * own transaction; but its name is none that a plugin can declare.
 */
export const metaTable = Object.freeze({
  ...defineTable({ name: 'meta', columns: { key: text(), value: text() }, primaryKey: ['key'] }),
  name: 'tracker$meta',
});

/**
 * - format: FORMAT of who made it
 * - store: the id of this data
 * - table:<name>: the plugin that contributed the table
 * - search:<table>: the columns whose tokens are stored
 * - migration:<plugin>/<id>: when a data migration was run
 */
export type Meta = ReadonlyMap<string, string>;

export const tableKey = (table: string): string => `table:${table}`;
export const searchKey = (table: string): string => `search:${table}`;
export const migrationKey = (id: string): string => `migration:${id}`;

/** All of it; there must be a table. */
export async function readMeta(session: Session): Promise<Meta> {
  const rows = await session.execute({ sql: `SELECT "key", "value" FROM "${metaTable.name}"`, parameters: [] });
  return new Map(rows.map((row) => [String(row['key']), String(row['value'])]));
}

export async function writeMeta(dialect: SqlDialect, session: Session, key: string, value: string): Promise<void> {
  const [first, second] = dialect === 'postgres' ? ['$1', '$2'] : ['?', '?'];
  await session.execute({
    sql: `INSERT INTO "${metaTable.name}" ("key", "value", "version") VALUES (${first}, ${second}, 1) ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value"`,
    parameters: [key, value],
  });
}
