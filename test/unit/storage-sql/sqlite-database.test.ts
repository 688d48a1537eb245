import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { DatabaseError, Session } from '../../../plugins/storage-sql/database.ts';
import { SqliteDatabase } from '../../../plugins/storage-sql/sqlite/database.ts';
import { settings } from '../../../plugins/storage-sql/sqlite/settings.ts';

const run = (session: Session, sql: string, ...parameters: unknown[]) => session.execute({ sql, parameters });
const NEVER = new AbortController().signal;
const is =
  (kind: DatabaseError['kind'], message?: RegExp) =>
  (error: unknown): boolean => {
    assert.equal((error as Error).name, 'DatabaseError', String(error));
    assert.equal((error as DatabaseError).kind, kind, String(error));
    if (message) assert.match((error as Error).message, message);
    return true;
  };

/** Root may write everywhere. */
async function unprivileged(run: () => Promise<void>): Promise<void> {
  const { geteuid, seteuid } = process;
  const root = geteuid?.() === 0;
  if (root) seteuid?.('nobody');
  try {
    await run();
  } finally {
    if (root) seteuid?.(0);
  }
}

describe('the SQLite database', () => {
  let folder: string;
  let path: string;
  const opened: SqliteDatabase[] = [];

  const open = async (more: { path?: string; readers?: number; synchronous?: 'full' } = {}) => {
    const database = await SqliteDatabase.open(settings.parse({ path, ...more }));
    opened.push(database);
    return database;
  };
  const withTable = async (readers = 8) => {
    const database = await open({ readers });
    await run(database.session(NEVER), 'create table "t" ("id" text primary key, "n" integer unique) without rowid');
    return database;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tracker-sqlite-'));
    path = join(folder, 'a folder', 'tracker.db');
  });
  afterEach(async () => {
    for (const database of opened.splice(0)) await database.close();
    rmSync(folder, { recursive: true });
  });

  it('makes the file and its folder, and keeps what was committed', async () => {
    const first = await withTable();
    const write = await first.begin('write', NEVER);
    await run(write, 'insert into t values (?, ?)', 'a', 9007199254740991);
    assert.deepEqual({ ...(await run(write, 'select n from t'))[0] }, { n: 9007199254740991 });
    await write.commit();
    const lost = await first.begin('write', NEVER);
    await run(lost, 'insert into t values (?, ?)', 'b', 2);
    await lost.rollback();
    await first.close();
    assert.equal(existsSync(`${path}-wal`), false, 'the log stays behind');
    const second = await open();
    assert.deepEqual(
      (await run(second.session(NEVER), 'select id from t')).map(({ id }) => id),
      ['a'],
    );
  });

  it('refuses an integer that a number cannot hold, rather than round it', async () => {
    const database = await withTable();
    await run(database.session(NEVER), 'insert into t values (?, ?)', 'a', 9007199254740993n);
    await assert.rejects(run(database.session(NEVER), 'select n from t'), is('failed'));
  });

  it('writes with a write-ahead log, and as durably as it is told', async () => {
    const database = await open();
    const pragma = async (name: string, on = database) =>
      Object.values((await run(on.session(NEVER), `pragma ${name}`))[0] ?? {})[0];
    assert.equal(await pragma('journal_mode'), 'wal');
    assert.equal(await pragma('synchronous'), 1);
    assert.equal(await pragma('foreign_keys'), 1);
    assert.equal(await pragma('busy_timeout'), 0);
    await database.close();
    assert.equal(await pragma('synchronous', await open({ synchronous: 'full' })), 2);
  });

  it('shows a reader one snapshot, taken when it began, while others write', async () => {
    const database = await withTable();
    const read = await database.begin('read', NEVER);
    await run(database.session(NEVER), 'insert into t values (?, ?)', 'a', 1);
    assert.equal((await run(read, 'select * from t')).length, 0);
    assert.equal((await run(database.session(NEVER), 'select * from t')).length, 1);
    await assert.rejects(run(read, 'delete from t'), is('failed'));
    await read.rollback();
    await assert.rejects(run(database.session(NEVER), 'with x as (select 1) delete from t'), is('failed'));
    await database.ping(NEVER);
  });

  it('lets one writer work at a time, in the order of arrival', async () => {
    const database = await withTable();
    const order: number[] = [];
    await Promise.all(
      [1, 2, 3, 4].map(async (n) => {
        const write = await database.begin('write', NEVER);
        order.push(n);
        await run(write, 'insert into t values (?, ?)', String(n), n);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(n);
        await write.commit();
      }),
    );
    assert.deepEqual(order, [1, 1, 2, 2, 3, 3, 4, 4]);
  });

  it('ends a wait for the writer’s place, and for a reader’s, by the signal', async () => {
    const database = await withTable(1);
    for (const mode of ['write', 'read'] as const) {
      const holder = await database.begin(mode, NEVER);
      const impatient = new AbortController();
      const waiting = database.begin(mode, impatient.signal);
      const behind = database.begin(mode, NEVER);
      impatient.abort();
      await assert.rejects(waiting, is('unavailable'));
      await holder.rollback();
      await (await behind).rollback();
    }
  });

  it('rolls a transaction back when its signal is aborted, and the next one finds nothing of it', async () => {
    const database = await withTable();
    const controller = new AbortController();
    const write = await database.begin('write', controller.signal);
    await run(write, 'insert into t values (?, ?)', 'a', 1);
    const late = run(write, 'insert into t values (?, ?)', 'b', 2);
    controller.abort();
    await Promise.allSettled([late]);
    await assert.rejects(run(write, 'insert into t values (?, ?)', 'c', 3), is('unavailable'));
    await assert.rejects(write.commit(), is('unavailable'));
    await write.rollback();
    const next = await database.begin('write', NEVER);
    assert.equal((await run(next, 'select * from t')).length, 0);
    await next.commit();
  });

  it('does nothing at all for a signal that was aborted before', async () => {
    const database = await withTable();
    await assert.rejects(database.begin('write', AbortSignal.abort()), is('unavailable'));
    await assert.rejects(run(database.session(AbortSignal.abort()), 'delete from t'), is('unavailable'));
    await (await database.begin('write', NEVER)).commit();
  });

  it('tells which unique index refused a row, by its columns or its name, and goes on in the transaction', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    await run(write, 'create table "u$v" ("a" text not null, "b" text, constraint p primary key ("a")) without rowid');
    await run(write, 'create unique index "u__two" on "u$v" ("a", "b")');
    await run(write, 'create unique index "u__b" on "u$v" (("b" is null), "b")');
    await run(write, 'insert into "u$v" values (?, ?)', 'x', 'y');
    await run(write, 'insert into t values (?, ?)', 'a', 1);
    const refused = async (sql: string, ...parameters: unknown[]) => {
      const error = await run(write, sql, ...parameters).then(
        () => assert.fail('it was not refused'),
        (thrown) => thrown as DatabaseError,
      );
      const { kind, table, index, columns } = error;
      return { kind, table, index, columns };
    };
    const unique = { kind: 'unique', table: undefined, index: undefined, columns: undefined };
    assert.deepEqual(await refused('insert into t values (?, ?)', 'a', 2), { ...unique, table: 't', columns: ['id'] });
    assert.deepEqual(await refused('insert into t values (?, ?)', 'b', 1), { ...unique, table: 't', columns: ['n'] });
    assert.deepEqual(await refused('insert into "u$v" values (?, ?)', 'z', 'y'), { ...unique, index: 'u__b' });
    assert.equal((await refused('insert into "u$v" values (?, ?)', null, 'q')).kind, 'failed');
    await run(write, 'insert into t values (?, ?)', 'c', 3);
    await write.commit();
    assert.equal((await run(database.session(NEVER), 'select * from t')).length, 2);
  });

  it('runs statements that are not awaited one by one in the order of the calls', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    const all = Array.from({ length: 200 }, (_, n) =>
      n % 2 ? run(write, 'delete from t where id = ?', 'a') : run(write, 'insert into t values (?, ?)', 'a', n),
    );
    await Promise.all(all);
    await write.commit();
    assert.equal((await run(database.session(NEVER), 'select * from t')).length, 0);
  });

  it('runs the statements of a session in their order, though reads and writes have connections of their own', async () => {
    const database = await withTable();
    const holder = await database.begin('write', NEVER);
    const session = database.session(NEVER);
    const [, refused, rows] = [
      run(session, 'insert into t values (?, ?)', 'a', 1),
      assert.rejects(run(session, 'insert into t values (?, ?)', 'a', 2), is('unique')),
      run(session, 'select * from t'),
    ];
    await holder.rollback();
    await refused;
    assert.equal((await rows).length, 1);
  });

  it('waits without stopping the process while another program has the file locked, until the signal', async () => {
    const database = await withTable();
    const other = new DatabaseSync(path);
    other.exec('begin immediate');
    const impatient = new AbortController();
    const write = database.begin('write', impatient.signal);
    let turns = 0;
    await new Promise<void>((resolve) => {
      const turn = () => (++turns === 20 ? resolve() : void setTimeout(turn, 1));
      turn();
    });
    impatient.abort();
    await assert.rejects(write, is('unavailable'));
    const patient = database.begin('write', NEVER);
    other.exec('rollback');
    other.close();
    await (await patient).commit();
  });

  it('gives timers their turn in a long transaction', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    let over = false;
    setTimeout(() => {
      over = true;
    }, 1);
    for (let n = 0; !over; n++) {
      assert.ok(n < 1_000_000, 'the timer never came');
      await run(write, 'insert into t values (?, ?)', String(n), n);
    }
    await write.rollback();
  });

  it('gives timers their turn between statements that are given all at once', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    let done = 0;
    const timer = Promise.withResolvers<number>();
    setTimeout(() => timer.resolve(done), 1);
    const count = 200;
    const slow = `with recursive c(n) as (select 1 union all select n + 1 from c where n < 2000) select max(n) from c`;
    const all = Promise.all(
      Array.from({ length: count }, () =>
        run(write, slow).then(() => {
          done += 1;
        }),
      ),
    );
    assert.ok((await timer.promise) < count);
    await all;
    await write.commit();
  });

  it('does not move the write-ahead log in the commit that makes it long', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    for (let mebibytes = 0; mebibytes < 40; mebibytes++)
      await run(write, 'insert into t select hex(zeroblob(524000)) || ?, null', mebibytes);
    const { size } = statSync(path);
    await write.commit();
    assert.equal(statSync(path).size, size);
    assert.ok(statSync(`${path}-wal`).size > 80_000_000);
  });

  it('keeps the write-ahead log short while it is written to without a pause', async () => {
    const database = await withTable();
    // A page for each row, 12,000 in all.
    for (let n = 0; n < 1_200; n++) {
      const write = await database.begin('write', NEVER);
      for (let row = 0; row < 10; row++)
        await run(write, 'insert into t values (?, ?)', `${n}/${row}/${'x'.repeat(3_900)}`, null);
      await write.commit();
    }
    const [log, file] = [statSync(`${path}-wal`).size, statSync(path).size];
    assert.ok(log < 40 * 2 ** 20, `the log has ${log} bytes`);
    assert.ok(file > 10 * 2 ** 20, `the file has ${file} bytes`);
    assert.equal((await run(database.session(NEVER), 'pragma integrity_check'))[0]?.['integrity_check'], 'ok');
  });

  it('refuses everything after close, and rolls back what was open', async () => {
    const database = await withTable();
    const write = await database.begin('write', NEVER);
    await run(write, 'insert into t values (?, ?)', 'a', 1);
    const waiting = assert.rejects(database.begin('write', NEVER), is('unavailable', /closed/));
    const lease = database.lease(
      'x',
      (signal) => new Promise((resolve) => signal.addEventListener('abort', resolve)),
      {},
    );
    await database.close();
    await waiting;
    await lease;
    await assert.rejects(write.commit(), is('unavailable', /closed/));
    await assert.rejects(database.begin('read', NEVER), is('unavailable', /closed/));
    await assert.rejects(run(database.session(NEVER), 'select 1'), is('unavailable', /closed/));
    await assert.rejects(database.ping(NEVER), is('unavailable', /closed/));
    assert.equal((await run((await open()).session(NEVER), 'select * from t')).length, 0);
  });

  it('closes, and lets another have the file, wherever a commit that fails is under way', async () => {
    for (let hops = 0; hops < 20; hops++) {
      const database = await open();
      const session = database.session(NEVER);
      await run(session, 'create table if not exists "a" ("id" text primary key)');
      await run(session, 'create table if not exists "b" ("a" text references "a" deferrable initially deferred)');
      const transaction = await database.begin('write', NEVER);
      await run(transaction, 'insert into "b" values (?)', 'nothing');
      const committed = assert.rejects(transaction.commit());
      for (let hop = 0; hop < hops; hop++) await undefined;
      await database.close();
      await committed;
      const again = await open();
      assert.deepEqual(await run(again.session(NEVER), 'select * from "b"'), [], `closed after ${hops} microtasks`);
      await again.close();
    }
  });

  it('takes no path that elsewhere means a database in memory', () => {
    assert.throws(() => settings.parse({ path: ':memory:' }), /DB_TYPE=memdb/);
  });

  it('takes two names of a file for one file, and refuses it a second time', async () => {
    await open();
    await assert.rejects(open(), is('failed', /another process has it open/));
    symlinkSync(path, join(folder, 'link.db'));
    await assert.rejects(open({ path: join(folder, 'link.db') }), is('failed', /another process has it open/));
  });

  describe('when the file is not as it should be', () => {
    it('refuses one that is no database, and leaves it as it is', async () => {
      path = join(folder, 'tracker.db');
      writeFileSync(path, 'dear diary, '.repeat(100));
      await assert.rejects(
        open(),
        is('unavailable', /cannot open .*tracker\.db.*not a SQLite database, or is damaged/),
      );
    });

    it('refuses the database of another program', async () => {
      path = join(folder, 'places.sqlite');
      const other = new DatabaseSync(path);
      other.exec('create table bookmarks (url text)');
      other.close();
      await assert.rejects(open(), is('failed', /data of another program/));
      const again = new DatabaseSync(path);
      assert.equal(again.prepare('pragma journal_mode').get()?.['journal_mode'], 'delete');
      again.close();
    });

    it('refuses a file, or a folder, that it may not write to', async () => {
      path = join(folder, 'tracker.db');
      await (await withTable()).close();
      rmSync(`${path}.lock`);
      chmodSync(path, 0o444);
      chmodSync(folder, 0o777);
      await unprivileged(() => assert.rejects(open(), is('unavailable', /is read-only/)));
      rmSync(`${path}.lock`);
      chmodSync(folder, 0o555);
      await unprivileged(() => assert.rejects(open(), is('unavailable', /cannot be opened/)));
      chmodSync(folder, 0o777);
    });

    it('refuses one that another program has locked for longer than it waits', async () => {
      await (await withTable()).close();
      const other = new DatabaseSync(path);
      other.exec('begin immediate');
      const locked = is('unavailable', /cannot open .*another program has it locked/);
      await assert.rejects(SqliteDatabase.open(settings.parse({ path }), 20), locked);
      other.close();
      await open();
    });

    it('refuses a path whose folder cannot be made', async () => {
      writeFileSync(join(folder, 'file'), '');
      await assert.rejects(open({ path: join(folder, 'file', 'x.db') }), is('unavailable', /folder cannot be made/));
    });

    it('refuses one below a folder that takes no other, and does not try for ever', async function () {
      if (process.platform !== 'linux') this.skip();
      await assert.rejects(open({ path: '/proc/tracker/x.db' }), is('unavailable', /folder cannot be made.*ENOENT/));
    });

    it('refuses a folder for what it is', async () => {
      await assert.rejects(open({ path: folder }), is('failed', /it is a folder/));
    });

    it('refuses one that has a second name, under which another process could have it', async () => {
      await (await withTable()).close();
      linkSync(path, join(folder, 'second.db'));
      await assert.rejects(open({ path: join(folder, 'second.db') }), is('failed', /several names \(hard links\)/));
      rmSync(join(folder, 'second.db'));
      await open();
    });

    it('says that the disk is full, stores nothing of the transaction, and recovers when there is room', async () => {
      const database = await withTable();
      const session = database.session(NEVER);
      const [pages] = await run(session, 'select page_count as n from pragma_page_count');
      await run(session, `pragma max_page_count = ${Number(pages?.['n'])}`);
      const write = await database.begin('write', NEVER);
      await run(write, 'insert into t values (?, ?)', 'kept?', 1);
      await assert.rejects(
        run(write, 'insert into t values (?, ?)', 'x'.repeat(100_000), 2),
        is('unavailable', /full/),
      );
      await assert.rejects(run(write, 'insert into t values (?, ?)', 'y', 3), is('unavailable', /full/));
      await assert.rejects(write.commit(), is('unavailable', /full/));
      assert.equal((await run(session, 'select * from t')).length, 0);
      await run(session, 'pragma max_page_count = 100000');
      await database.ping(NEVER);
      await run(session, 'insert into t values (?, ?)', 'x'.repeat(100_000), 2);
    });

    it('says that the file is damaged when a statement meets it, and does not forget it', async () => {
      const first = await withTable();
      const write = await first.begin('write', NEVER);
      for (let n = 0; n < 1_000; n++) await run(write, 'insert into t values (?, ?)', `${n}/${'x'.repeat(500)}`, n);
      await write.commit();
      await first.close();
      const file = openSync(path, 'r+');
      for (let page = 10; page < 100; page++) writeSync(file, 'dear diary, '.repeat(300), page * 4096);
      closeSync(file);
      const database = await open();
      await database.ping(NEVER);
      await assert.rejects(
        run(database.session(NEVER), 'select sum(length(id)) as n from t'),
        is('unavailable', /damaged/),
      );
      await run(database.session(NEVER), 'create table "other" ("id" text)');
      await assert.rejects(database.ping(NEVER), is('unavailable', /damaged.*restore it from a backup/));
    });

    it('says that it was removed or replaced', async () => {
      const database = await withTable();
      await database.ping(NEVER);
      rmSync(path);
      await assert.rejects(database.ping(NEVER), is('unavailable', /removed or replaced/));
    });

    for (const [what, change] of [
      ['moved away', () => renameSync(path, join(folder, 'gone.db'))],
      [
        'replaced',
        () => {
          renameSync(path, join(folder, 'gone.db'));
          writeFileSync(path, '');
        },
      ],
    ] as const)
      it(`acknowledges nothing while it is ${what}, also of a transaction that had begun, and has all else when it is back`, async () => {
        const database = await withTable();
        const session = database.session(NEVER);
        await run(session, 'insert into t values (?, ?)', 'kept', 0);
        const [write, read] = [await database.begin('write', NEVER), await database.begin('read', NEVER)];
        await run(write, 'insert into t values (?, ?)', 'lost', 1);
        change();
        const gone = is('unavailable', /removed or replaced/);
        await assert.rejects(write.commit(), gone);
        await read.rollback();
        await assert.rejects(run(session, 'insert into t values (?, ?)', 'lost', 2), gone);
        await assert.rejects(run(session, 'select * from t'), gone);
        for (const mode of ['read', 'write'] as const) await assert.rejects(database.begin(mode, NEVER), gone);
        renameSync(join(folder, 'gone.db'), path);
        const rows = await run(session, 'select id from t');
        assert.deepEqual(
          rows.map(({ id }) => id),
          ['kept'],
        );
      });
  });
});
