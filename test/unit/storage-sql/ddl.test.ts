import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { changesTable, historyTable } from '../../../core/contracts/log.ts';
import { bool, defineTable, float, int64, json, text, timestamp, uuid } from '../../../core/contracts/tables.ts';
import { createStatements } from '../../../plugins/storage-sql/schema/ddl.ts';

const notes = defineTable({
  name: 'notes',
  columns: {
    id: uuid(),
    owner: text({ maxLength: 20 }),
    rank: int64({ nullable: true }),
    size: float(),
    open: bool(),
    body: json(),
    at: timestamp(),
    count: int64(),
  },
  primaryKey: ['id'],
  unique: { owner_rank: ['owner', 'rank'], slot: ['owner', 'at'] },
  indexes: { by_rank: ['rank'] },
  searchable: ['owner'],
  revision: 'count',
});

const sqlOf = (dialect: 'postgres' | 'sqlite') => createStatements(dialect, notes).map(({ sql }) => sql);

describe('the statements that make a table', () => {
  it('give PostgreSQL code point order, one column of tokens, and null after every value', () => {
    assert.deepEqual(sqlOf('postgres'), [
      'CREATE TABLE "notes" ("id" uuid NOT NULL, "owner" text COLLATE "C" NOT NULL, "rank" bigint, "size" double precision ' +
        'NOT NULL, "open" boolean NOT NULL, "body" json NOT NULL, "at" bigint NOT NULL, "count" bigint NOT NULL, "version" ' +
        'bigint NOT NULL, "$time" bigint, "$search" tsvector, CONSTRAINT "notes__primary" PRIMARY KEY ("id"))',
      'CREATE UNIQUE INDEX "notes__owner_rank" ON "notes" ("owner", "rank")',
      'CREATE INDEX "notes__owner_rank_order" ON "notes" ("owner", "rank", "id")',
      'CREATE UNIQUE INDEX "notes__slot" ON "notes" ("owner", "at")',
      'CREATE INDEX "notes__by_rank" ON "notes" ("rank", "id")',
      'CREATE INDEX "notes__$search" ON "notes" USING gin ("$search")',
    ]);
  });

  it('give SQLite strict types and a table of tokens', () => {
    assert.deepEqual(sqlOf('sqlite').at(0)?.slice(0, 45), 'CREATE TABLE "notes" ("id" text NOT NULL, "ow');
    assert.match(
      sqlOf('sqlite').at(0)!,
      /"\$time" integer, CONSTRAINT "notes__primary" PRIMARY KEY \("id"\)\) STRICT$/,
    );
    assert.deepEqual(sqlOf('sqlite').slice(-2), [
      'CREATE TABLE "notes$tokens" ("$token" text NOT NULL, "id" text NOT NULL, CONSTRAINT "notes$tokens__primary" ' +
        'PRIMARY KEY ("$token", "id")) STRICT, WITHOUT ROWID',
      'CREATE INDEX "notes__$search" ON "notes$tokens" ("id")',
    ]);
  });

  it('are SQL that SQLite runs, and a page in the order of an index needs no sort', () => {
    const database = new DatabaseSync(':memory:');
    for (const table of [notes, changesTable, historyTable])
      for (const { sql } of createStatements('sqlite', table)) database.exec(sql);
    const plan = database
      .prepare('EXPLAIN QUERY PLAN SELECT * FROM "notes" ORDER BY ("rank" IS NULL), "rank", "id" LIMIT 5')
      .all()
      .map((row) => row['detail']);
    database.close();
    assert.deepEqual(plan, ['SCAN notes USING INDEX notes__by_rank']);
  });
});
