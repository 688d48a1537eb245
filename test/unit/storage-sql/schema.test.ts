import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntitySchema } from '@mikro-orm/core';
import { MikroORM as PostgresORM } from '@mikro-orm/postgresql';
import { SqliteDriver, MikroORM as SqlORM } from '@mikro-orm/sql';
import { changesTable, historyTable } from '../../../core/contracts/log.ts';
import type { DataMigration, Declarations, MigrationPlan } from '../../../core/contracts/migrations.ts';
import { matchesText, type Where } from '../../../core/contracts/query.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { type AnyTable, bool, defineTable, int64, text, uuid } from '../../../core/contracts/tables.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import type { Database } from '../../../plugins/storage-sql/database.ts';
import { PostgresDatabase } from '../../../plugins/storage-sql/postgres/database.ts';
import { postgresSettings } from '../../../plugins/storage-sql/postgres/settings.ts';
import { transactOn } from '../../../plugins/storage-sql/schema/at-start.ts';
import { explain } from '../../../plugins/storage-sql/schema/explain.ts';
import { metaTable } from '../../../plugins/storage-sql/schema/meta.ts';
import { migratorOf } from '../../../plugins/storage-sql/schema/migrator.ts';
import { type Prepared, type PrepareOptions, prepare } from '../../../plugins/storage-sql/schema/prepare.ts';
import { SqliteDatabase } from '../../../plugins/storage-sql/sqlite/database.ts';
import { FileDialect } from '../../../plugins/storage-sql/sqlite/dialect.ts';
import { settings as sqliteSettings } from '../../../plugins/storage-sql/sqlite/settings.ts';
import { SqlStore } from '../../../plugins/storage-sql/store/sql-store.ts';
import { entitiesOf } from '../../support/entities.ts';
import { type PostgresServer, postgres } from '../../support/services/postgres.ts';

const never = new AbortController().signal;
const columns = { id: uuid(), title: text(), rank: int64({ nullable: true }) };
const spec = { name: 'notes', columns, primaryKey: ['id'], indexes: { by_title: ['title'] } } as const;
const notes = defineTable(spec);

/** The declarations of a plugin 'notes' in one of its versions. */
const version = (table: AnyTable, ...migrations: DataMigration[]): Declarations => ({
  tables: [{ plugin: 'notes', value: table }],
  migrations: migrations.map((value) => ({ plugin: 'notes', value })),
});
const transact = (database: Database) => transactOn(database, { kind: database.dialect, shared: database.shared });
const prepareOn = (database: Database, declared: Declarations, apply: PrepareOptions['apply']) =>
  prepare(database, declared, { apply, transact: transact(database), signal: never });
const whats = ({ steps }: MigrationPlan) => steps.map(({ what }) => what);

interface Place {
  open(): Promise<Database>;
  orm(entities: readonly EntitySchema[]): {
    readonly schema: { getUpdateSchemaSQL(): Promise<string> };
    readonly em: { execute(sql: string): Promise<unknown> };
    close(): Promise<void>;
  };
  remove(): Promise<void>;
}

interface Backend {
  /** A place for one database, empty. */
  place(): Promise<Place>;
}

let server: PostgresServer;
const backends: Readonly<Record<string, Backend>> = {
  SQLite: {
    async place() {
      const folder = mkdtempSync(join(tmpdir(), 'tracker-schema-'));
      const path = join(folder, 'tracker.db');
      return {
        open: () => SqliteDatabase.open(sqliteSettings.parse({ path })),
        orm: (entities) =>
          new SqlORM({
            driver: SqliteDriver,
            dbName: path,
            entities: [...entities],
            driverOptions: () => new FileDialect({ path, readOnly: false, durability: 'normal' }),
          }),
        remove: async () => rmSync(folder, { recursive: true }),
      };
    },
  },
  PostgreSQL: {
    async place() {
      const { name, drop } = await server.createDatabase();
      const { host, port, user, password } = server;
      const settings = postgresSettings.parse({ host, port, user, password, database: name, poolSize: 3 });
      return {
        open: async () => new PostgresDatabase(settings),
        orm: (entities) => new PostgresORM({ host, port, user, password, dbName: name, entities: [...entities] }),
        remove: drop,
      };
    },
  },
};

for (const [kind, backend] of Object.entries(backends))
  describe(`the schema in ${kind}`, () => {
    let place: Place;
    let database: Database;

    before(async function () {
      if (kind === 'PostgreSQL') server = await postgres(this);
    });
    beforeEach(async () => {
      place = await backend.place();
      database = await place.open();
    });
    afterEach(async () => {
      await database.close();
      await place.remove();
    });

    const to = (declared: Declarations, apply: PrepareOptions['apply'] = 'additive') =>
      prepareOn(database, declared, apply);
    const storeOf = (table: AnyTable, { storeId }: Prepared): Store => {
      const store = new SqlStore({ kind, shared: false });
      store.open(database, [table], storeId!);
      return store;
    };
    /** Version 1 with these titles in it. */
    async function withNotes(...titles: string[]) {
      const store = storeOf(notes, await to(version(notes)));
      await store.write(async (tx) => {
        for (const title of titles) await tx.table(notes).insert({ id: uuidv7(), title });
      });
    }
    const titlesOf = (table: AnyTable, prepared: Prepared, where?: Where) =>
      storeOf(table, prepared).read(async (tx) => {
        const { rows } = await tx.table(table).find({ orderBy: { columns: ['title'] }, ...(where && { where }) });
        return rows.map((row) => (row as unknown as { title: string }).title);
      });

    it('is made once, with an id that stays', async () => {
      assert.deepEqual((await to(version(notes), 'nothing')).storeId, undefined);
      const first = await to(version(notes));
      assert.deepEqual([first.ready, first.pending.steps], [true, []]);
      assert.match(first.storeId!, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      const second = await to(version(notes));
      assert.deepEqual([second.ready, second.applied.steps, second.storeId], [true, [], first.storeId]);
    });

    it('gets new tables, columns, indexes and unique keys, and keeps its rows', async () => {
      await withNotes('b', 'a');
      const next = defineTable({
        ...spec,
        columns: { ...columns, color: text({ nullable: true }) },
        indexes: { ...spec.indexes, by_color: ['color', 'title'] },
        unique: { title: ['title'] },
      });
      const tags = defineTable({ name: 'tags', columns: { tag: text() }, primaryKey: ['tag'] });
      const declared = { ...version(next), tables: [next, tags].map((value) => ({ plugin: 'notes', value })) };
      assert.equal((await to(declared, 'nothing')).ready, false);
      const prepared = await to(declared);
      assert.equal(prepared.ready, true);
      assert.deepEqual(whats(prepared.applied).sort(), [
        'add column notes.color',
        'create index notes__by_color',
        'create index notes__title',
        'create table tags',
      ]);
      assert.deepEqual(await titlesOf(next, prepared), ['a', 'b']);
      await assert.rejects(
        storeOf(next, prepared).write(async (tx) => void (await tx.table(next).insert({ id: uuidv7(), title: 'a' }))),
        { kind: 'already_exists', key: 'title' },
      );
    });

    it('refuses a column that must have a value and has none, until a data migration has given it', async () => {
      await withNotes('a', 'b');
      const next = defineTable({
        ...spec,
        columns: { ...columns, done: bool() },
        indexes: { by_done: ['done', 'title'] },
      });
      const refused = await to(version(next));
      assert.deepEqual([refused.ready, refused.applied.steps], [false, []]);
      assert.match(
        explain(refused.pending),
        /column notes\.done is new and not nullable, .* contribute a data migration/,
      );
      const fill: DataMigration = {
        id: 'fill_done',
        async run(tx) {
          const table = tx.table(next);
          for (const row of (await table.find()).rows) await table.update(row.id, { done: row.title === 'a' });
        },
      };
      const prepared = await to(version(next, fill));
      assert.deepEqual([prepared.ready, prepared.applied.migrations], [true, ['notes/fill_done']]);
      const { rows } = await storeOf(next, prepared).read((tx) => tx.table(next).find());
      assert.deepEqual(rows.map(({ done }) => done).sort(), [false, true]);
      const nullable = await database
        .session(never)
        .execute({
          sql: `insert into "notes" ("id", "title", "version") values ('${uuidv7()}', 'c', 1)`,
          parameters: [],
        })
        .then(
          () => true,
          () => false,
        );
      assert.equal(nullable, false);
    });

    it('runs a data migration once, in order, with the record in its transaction', async () => {
      await withNotes('a');
      const ran: string[] = [];
      const add = (id: string, fails = () => false): DataMigration => ({
        id,
        async run(tx) {
          ran.push(id);
          await tx.table(notes).insert({ id: uuidv7(), title: id });
          if (fails()) throw new Error('the disk of the moon is full');
        },
      });
      let failing = true;
      const declared = version(
        notes,
        add('first'),
        add('second', () => failing),
      );
      await assert.rejects(to(declared), {
        name: 'SchemaError',
        message: "the data migration 'notes/second' failed: the disk of the moon is full",
      });
      failing = false;
      const prepared = await to(declared);
      assert.deepEqual(prepared.applied.migrations, ['notes/second']);
      assert.deepEqual(await titlesOf(notes, prepared), ['a', 'first', 'second']);
      await to(declared);
      assert.deepEqual(ran, ['first', 'second', 'second']);
    });

    it('ends a data migration when it is called off, stores nothing of it, and runs it the next time', async () => {
      await withNotes('a');
      const called = new AbortController();
      let ends = false;
      const add: DataMigration = {
        id: 'add',
        async run(tx) {
          await tx.table(notes).insert({ id: uuidv7(), title: 'b' });
          await tx.table(notes).count();
          called.abort();
          if (!ends) await new Promise(() => {});
        },
      };
      const options = { apply: 'additive', transact: transact(database), signal: called.signal } as const;
      await assert.rejects(prepare(database, version(notes, add), options), { kind: 'unavailable' });
      ends = true;
      const prepared = await to(version(notes, add));
      assert.deepEqual(await titlesOf(notes, prepared), ['a', 'b']);
    });

    it('serves a column that is no longer declared, and drops it only when that is allowed', async () => {
      const wide = defineTable({ ...spec, columns: { ...columns, color: text() }, indexes: { by_color: ['color'] } });
      const first = await to(version(wide));
      await storeOf(wide, first).write(
        async (tx) => void (await tx.table(wide).insert({ id: uuidv7(), title: 'a', color: 'red' })),
      );
      const left = await to(version(notes));
      assert.equal(left.ready, true);
      assert.deepEqual(whats(left.pending), ['drop index notes__by_color', 'drop column notes.color']);
      assert.ok(left.pending.steps.every(({ destructive, required }) => destructive && !required));
      await storeOf(notes, left).write(async (tx) => void (await tx.table(notes).insert({ id: uuidv7(), title: 'b' })));
      const dropped = await to(version(notes), 'destructive');
      assert.deepEqual([dropped.ready, dropped.pending.steps], [true, []]);
      assert.deepEqual(await titlesOf(notes, dropped), ['a', 'b']);
    });

    it('does not serve, and applies nothing, where what it needs loses data', async () => {
      const unique = defineTable({ ...spec, unique: { title: ['title'] }, indexes: {} });
      await to(version(unique));
      const next = defineTable({
        ...spec,
        columns: { ...columns, rank: text({ nullable: true }), extra: bool({ nullable: true }) },
      });
      const refused = await to(version(next));
      assert.deepEqual([refused.ready, refused.applied.steps], [false, []]);
      assert.match(explain(refused.pending), /loses data .* run 'tracker migrate apply --allow-destructive'$/);
      const allowed = await to(version(next), 'destructive');
      assert.deepEqual([allowed.ready, allowed.pending.steps], [true, []]);
      assert.deepEqual(whats(allowed.applied).sort(), [
        'add column notes.extra',
        `change the type of notes.rank from ${kind === 'SQLite' ? 'integer to text' : 'bigint to text COLLATE "C"'}`,
        'create index notes__by_title',
        'drop unique key notes__title',
      ]);
    });

    it('names the rows that stand in the way of a unique key, and takes it when a data migration has changed them', async () => {
      await withNotes('same', 'same');
      const next = defineTable({ ...spec, unique: { title: ['title'] }, indexes: {} });
      assert.match(explain((await to(version(next))).pending), /unique key notes__title: rows share their title/);
      const tell: DataMigration = {
        id: 'tell_apart',
        async run(tx) {
          const table = tx.table(next);
          for (const [i, { id }] of (await table.find()).rows.entries()) await table.update(id, { title: `same ${i}` });
        },
      };
      const prepared = await to(version(next, tell));
      assert.equal(prepared.ready, true);
      assert.deepEqual(await titlesOf(next, prepared), ['same 0', 'same 1']);
    });

    it('reads the texts again when other columns are searched', async () => {
      await withNotes('Ein Straßenname', 'nothing');
      const searched = defineTable({ ...spec, searchable: ['title'] });
      const prepared = await to(version(searched));
      assert.equal(prepared.ready, true);
      assert.deepEqual(await titlesOf(searched, prepared, matchesText('strasse')), ['Ein Straßenname']);
      const plain = await to(version(notes));
      assert.deepEqual([plain.ready, plain.pending.steps], [true, []]);
      await storeOf(notes, plain).write(
        async (tx) => void (await tx.table(notes).insert({ id: uuidv7(), title: 'Straßenbahn' })),
      );
      assert.deepEqual(await titlesOf(searched, await to(version(searched)), matchesText('strasse')), [
        'Ein Straßenname',
        'Straßenbahn',
      ]);
    });

    it('leaves the tables of a plugin that is not enabled, and of others, alone', async () => {
      await withNotes('a');
      await database.session(never).execute({ sql: 'CREATE TABLE theirs (x text)', parameters: [] });
      const other = { plugin: 'other', value: defineTable({ ...spec, name: 'others' }) };
      const without = await to({ tables: [other], migrations: [] }, 'destructive');
      assert.equal(without.ready, true);
      assert.deepEqual(without.pending.left, ["table notes of the plugin 'notes', which is not enabled"]);
      assert.deepEqual(await titlesOf(notes, await to(version(notes))), ['a']);
      const renamed = defineTable({ ...spec, name: 'remarks' });
      const both = { tables: [{ plugin: 'notes', value: renamed }, other], migrations: [] };
      assert.deepEqual(whats((await to(both)).pending), ['drop table notes']);
      assert.deepEqual(whats((await to(both, 'destructive')).applied), ['drop table notes']);
      await database.session(never).execute({ sql: 'SELECT x FROM theirs', parameters: [] });
    });

    it('refuses another primary key, whatever is allowed', async () => {
      await withNotes('a');
      const next = defineTable({ ...spec, primaryKey: ['title'] });
      const refused = await to(version(next), 'destructive');
      assert.deepEqual([refused.ready, refused.applied.steps], [false, []]);
      assert.match(explain(refused.pending), /primary key is \(id\) in the database and \(title\) in the declaration/);
    });

    it('refuses a schema that is newer than the code in one line', async () => {
      const late: DataMigration = { id: 'late', run: async () => {} };
      await to(version(notes, late));
      await assert.rejects(to(version(notes)), {
        name: 'SchemaError',
        message:
          /^the schema is newer than this version: the data migration 'notes\/late' was run, .* run a newer version$/,
      });
      const sql = `UPDATE "tracker$meta" SET "value" = '2' WHERE "key" = 'format'`;
      await database.session(never).execute({ sql, parameters: [] });
      await assert.rejects(to(version(notes, late)), {
        message:
          'the schema is newer than this version: its format is 2, and this version knows 1; run a newer version',
      });
    });

    it('is made by one of eight that start at the same time', async () => {
      let runs = 0;
      const fill: DataMigration = { id: 'count', run: async () => void runs++ };
      const many =
        kind === 'SQLite' ? Array(8).fill(database) : await Promise.all(Array.from({ length: 8 }, () => place.open()));
      const prepared = await Promise.all(many.map((one) => prepareOn(one, version(notes, fill), 'additive')));
      if (kind !== 'SQLite') for (const one of many) await one.close();
      assert.equal(new Set(prepared.map(({ storeId }) => storeId)).size, 1);
      assert.ok(prepared.every(({ ready }) => ready));
      assert.equal(prepared.filter(({ applied }) => applied.steps.length > 0).length, 1);
      assert.equal(runs, 1);
    });

    it('stays as it was when a change fails in the middle', async () => {
      await withNotes('a');
      await database.session(never).execute({ sql: 'CREATE TABLE x (y text)', parameters: [] });
      await database.session(never).execute({ sql: 'CREATE INDEX "notes__zz" ON x (y)', parameters: [] });
      const next = defineTable({
        ...spec,
        columns: { ...columns, color: text({ nullable: true }) },
        indexes: { ...spec.indexes, zz: ['color'] },
      });
      await assert.rejects(to(version(next)), {
        name: 'SchemaError',
        message: /^cannot create index notes__zz: .*already/,
      });
      assert.ok(whats((await to(version(next), 'nothing')).pending).includes('add column notes.color'));
      assert.equal((await to(version(notes), 'nothing')).ready, true);
    });

    it('is the same to MikroORM, by its entities and its own comparator', async () => {
      const all = [
        changesTable,
        historyTable,
        defineTable({ ...spec, unique: { rank: ['rank'] }, searchable: ['title'] }),
      ];
      await to({ tables: all.map((value) => ({ plugin: 'notes', value })), migrations: [] });
      await database.close();
      const orm = place.orm(entitiesOf(database.dialect, [...all, metaTable]));
      assert.equal(await orm.schema.getUpdateSchemaSQL(), '');
      await orm.em.execute('drop index "notes__rank"');
      assert.match(await orm.schema.getUpdateSchemaSQL(), /notes__rank/);
      await orm.close();
    });

    it('is what the command looks at and changes', async () => {
      await database.close();
      const migrator = migratorOf(place.open, transact);
      const options = { allowDestructive: false, signal: never };
      assert.ok(whats(await migrator.plan(version(notes), never)).includes('create table notes'));
      assert.deepEqual(await migrator.done(never), []);
      const late: DataMigration = { id: 'late', run: async () => {} };
      assert.ok(whats(await migrator.apply(version(notes, late), options)).includes('create table notes'));
      assert.deepEqual(whats(await migrator.plan(version(notes, late), never)), []);
      assert.deepEqual(
        (await migrator.done(never)).map(({ id }) => id),
        ['notes/late'],
      );
      const lossy = version(defineTable({ ...spec, columns: { ...columns, rank: text() } }), late);
      await assert.rejects(migrator.apply(lossy, options), { name: 'SchemaError', message: /--allow-destructive/ });
    });
  });
