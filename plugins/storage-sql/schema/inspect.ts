import type { Session, SqlRow } from '../database.ts';
import type { SqlDialect } from '../statement.ts';
import type { ColumnShape, IndexShape, TableShape } from './shape.ts';

/**
 * Flags are asked for as 0 and 1, and lists as JSON, so that every driver gives the same; quotes come where the server
 * has quote_all_identifiers.
 */
const POSTGRES_COLUMNS = `
  SELECT c.relname::text AS "table", a.attname::text AS "column",
    replace(format_type(a.atttypid, a.atttypmod), '"', '')
      || CASE WHEN l.collname IS NULL OR l.collname = 'default' THEN '' ELSE ' COLLATE "' || l.collname || '"' END AS "type",
    CASE WHEN a.attnotnull THEN 1 ELSE 0 END AS "not_null",
    coalesce(array_position(p.conkey, a.attnum), 0) AS "key"
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
  WHERE c.relkind IN ('r', 'p')
  ORDER BY c.relname, a.attnum`;

/** An index of a part of the rows, or one that was not finished, has a term that no declared index has. */
const POSTGRES_INDEXES = `
  SELECT c.relname::text AS "table", i.relname::text AS "name", m.amname::text AS "using",
    CASE WHEN x.indisunique THEN 1 ELSE 0 END AS "unique",
    (SELECT json_agg(pg_get_indexdef(x.indexrelid, k, false) ORDER BY k)::text
      FROM generate_series(1, x.indnkeyatts) AS k) AS "terms",
    CASE WHEN x.indpred IS NULL AND x.indisvalid THEN 1 ELSE 0 END AS "whole"
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_am m ON m.oid = i.relam
  JOIN pg_class c ON c.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
  WHERE NOT x.indisprimary
  ORDER BY c.relname, i.relname`;

const SQLITE_COLUMNS = `
  SELECT m.name AS "table", p.name AS "column", lower(p.type) AS "type", p."notnull" AS "not_null", p.pk AS "key"
  FROM sqlite_schema m JOIN pragma_table_info(m.name) p
  WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_'
  ORDER BY m.name, p.cid`;

const SQLITE_INDEXES = `
  SELECT tbl_name AS "table", name AS "name", 'btree' AS "using", sql AS "sql"
  FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
  ORDER BY tbl_name, name`;

const bare = (term: string): string => term.replaceAll(/[()"]/g, '').trim();

/** What is in the database's schema now, by the tables' names. */
export async function inspect(dialect: SqlDialect, session: Session): Promise<ReadonlyMap<string, TableShape>> {
  const [columns, indexes] = await Promise.all(
    (dialect === 'postgres' ? [POSTGRES_COLUMNS, POSTGRES_INDEXES] : [SQLITE_COLUMNS, SQLITE_INDEXES]).map((sql) =>
      session.execute({ sql, parameters: [] }),
    ),
  );
  const indexesOf = Map.groupBy(indexes!, (row) => String(row['table']));
  return new Map(
    [...Map.groupBy(columns!, (row) => String(row['table']))].map(([name, rows]) => [
      name,
      {
        name,
        columns: rows.map(
          (row): ColumnShape => ({
            name: String(row['column']),
            type: String(row['type']),
            nullable: Number(row['not_null']) === 0,
          }),
        ),
        primaryKey: rows
          .filter((row) => Number(row['key']) > 0)
          .toSorted((a, b) => Number(a['key']) - Number(b['key']))
          .map((row) => String(row['column'])),
        indexes: (indexesOf.get(name) ?? []).map(dialect === 'postgres' ? postgresIndex : sqliteIndex),
      },
    ]),
  );
}

function postgresIndex(row: SqlRow): IndexShape {
  const terms = (JSON.parse(String(row['terms'])) as string[]).map(bare);
  return {
    name: String(row['name']),
    unique: Number(row['unique']) === 1,
    using: String(row['using']),
    terms: Number(row['whole']) === 1 ? terms : [...terms, '(not the whole table)'],
  };
}

/** SQLite keeps the text of CREATE INDEX as it was given, and tells expressions in no other way. */
function sqliteIndex(row: SqlRow): IndexShape {
  const sql = String(row['sql']);
  return {
    name: String(row['name']),
    unique: /^CREATE UNIQUE/i.test(sql),
    using: 'btree',
    terms: sql
      .slice(sql.indexOf('(') + 1)
      .split(',')
      .map(bare),
    sql,
  };
}
