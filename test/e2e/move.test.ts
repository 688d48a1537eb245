import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { changeLog, changesTable } from '../../core/contracts/log.ts';
import { type Store, store } from '../../core/contracts/store.ts';
import { uuidv7Series } from '../../core/lib/uuid.ts';
import { Seal } from '../../plugins/admin/seal.ts';
import { afterEachPage, exportOf, failureOf, importInto } from '../support/move.ts';
import { checkLog, orderedLog } from '../support/replay.ts';
import { storageThatReads } from '../support/storage.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { runWorkload, testSeed } from '../support/workload.ts';

const started: Tracker[] = [];

async function start(...args: Parameters<typeof startTracker>): Promise<Tracker> {
  const tracker = await startTracker(...args);
  started.push(tracker);
  return tracker;
}

const linesOf = (file: Buffer) => file.toString().split('\n').slice(0, -1);
const fileOf = (lines: readonly string[]) => Buffer.from(lines.map((line) => `${line}\n`).join(''));

async function rowsIn(of: Store): Promise<number> {
  let rows = 0;
  await of.read(async (tx) => {
    for (const table of of.tables) rows += await tx.table(table).count();
  });
  return rows;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
function unsealed(line: string): any {
  const value = JSON.parse(line);
  if (Array.isArray(value)) return value.slice(0, -1);
  delete value.crc;
  return value;
}

/** As an export ends each line and the file. */
function sealed(header: { readonly tables: readonly { readonly name: string }[] }, rows: readonly unknown[][]): Buffer {
  const seal = new Seal();
  const body = Buffer.concat([header, ...rows].map((value) => seal.close(JSON.stringify(value))));
  const tables = Object.fromEntries(header.tables.map(({ name }) => [name, 0]));
  for (const [name] of rows) tables[name as string]! += 1;
  const sha256 = createHash('sha256').update(body).digest('hex');
  return Buffer.concat([body, seal.close(JSON.stringify({ rows: rows.length, tables, sha256 }))]);
}

describe('a move to another store', () => {
  const seed = testSeed();
  let from: Tracker;
  let file: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  let answered: any;

  const withKey = { 'idempotency-key': 'a-key' };
  before(async () => {
    from = await startTracker();
    await runWorkload(from, { seed, decks: 3 });
    const made = await from.http('POST', '/v1/projects', { name: 'Kept', key: 'KEPT' }, withKey);
    answered = made.body;
    const { id } = made.body.project;
    await from.http('POST', '/v1/issues', { projectId: id, summary: 'unusual: \u2028 "\\ 😀 \u{10ffff}\n\t' });
    await from.http('POST', '/v1/issues', { projectId: id, summary: 'the last one' });
    file = await exportOf(from);
  });
  after(() => from.stop());
  afterEach(async function () {
    if (this.currentTest?.isFailed()) console.error(`TEST_SEED=${seed}`);
    for (const tracker of started.splice(0)) await tracker.stop();
  });

  it('gives the same file again, however its parts are cut', async () => {
    for (const partBytes of [file.length, 64 * 1024, 997]) {
      const to = await start();
      const rows = await importInto(to, file, { partBytes });
      assert.equal(rows, linesOf(file).length - 2);
      assert.ok((await exportOf(to)).equals(file));
    }
  });

  it('has every table, row and event', async () => {
    const source = from.service(store);
    const [header, ...rows] = linesOf(file).map((line) => JSON.parse(line));
    const trailer = rows.pop();
    assert.deepEqual(
      header.tables.map(({ name }: { name: string }) => name),
      source.tables.map(({ name }) => name),
    );
    assert.equal(trailer.rows, rows.length);
    assert.equal(rows.length, await rowsIn(source));
    for (const name of [
      'changes',
      'history',
      'idempotent_answers',
      'issue_former_keys',
      'issues',
      'users',
      'workflows',
    ])
      assert.ok(trailer.tables[name] > 0, `${name}: ${JSON.stringify(trailer.tables)}`);
  });

  it('answers as before, and goes on where the other stopped', async () => {
    const to = await start();
    await importInto(to, file);
    const same = async (path: string) => {
      const [a, b] = await Promise.all([from.http('GET', path), to.http('GET', path)]);
      assert.deepEqual([b.status, b.body, b.headers.get('etag')], [a.status, a.body, a.headers.get('etag')], path);
      return a.body;
    };
    await same('/v2/users?page_size=1000');
    const { projects } = await same('/v1/projects?page_size=1000');
    for (const { id } of projects) {
      await same(`/v1/projects/${id}/workflow`);
      await same(`/v1/projects/${id}/members`);
    }
    const { issues } = await same('/v1/issues?page_size=1000');
    await same('/v1/issues?query=unusual');
    for (const { id } of issues.slice(0, 50)) await same(`/v1/issues/${id}/history?page_size=1000`);
    const [[, formerKey] = []] = linesOf(file)
      .map((line) => JSON.parse(line))
      .filter((row) => row[0] === 'issue_former_keys');
    await same(`/v1/issues/${formerKey}`);
    await checkLog(to);

    const repeated = await to.http('POST', '/v1/projects', { name: 'Kept', key: 'KEPT' }, withKey);
    assert.deepEqual(repeated.body, answered);
    const made = await to.http('POST', '/v1/issues', {
      projectId: repeated.body.project.id,
      summary: 'after the move',
    });
    assert.equal(made.body.issue.key, 'KEPT-3');
    const last = await (await orderedLog(from)).head();
    const [next] = await (await orderedLog(to)).read({ after: last });
    assert.equal(next?.seq, last + 1);
    assert.equal(next?.entityId, made.body.issue.id);
    await checkLog(to);
  });

  it('tells those who follow the log of what was imported, as of what came after', async () => {
    const to = await start();
    const seen: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    to.service(changeLog).follow((changes) => {
      seen.push(...changes.map(({ seq }) => seq));
      if (changes.some(({ entity, after }) => entity === 'user' && JSON.stringify(after).includes('later@'))) resolve();
    });
    await importInto(to, file);
    await to.http('POST', '/v1/users', { name: 'Later', email: 'later@example.com' });
    await promise;
    assert.deepEqual(
      seen,
      Array.from({ length: (await from.service(changeLog).head()) + 1 }, (_, i) => i + 1),
    );
  });

  it('shows one moment of a store that others write to', async () => {
    let made = 0;
    let disturbing = false;
    const disturb = async () => {
      if (!disturbing) return;
      disturbing = false;
      const email = `${++made}@example.com`;
      assert.equal((await busy.http('POST', '/v1/users', { name: 'Late', email })).status, 200);
      disturbing = true;
    };
    const storage = storageThatReads((read) => (fn, options) => read((tx) => fn(afterEachPage(tx, disturb)), options));
    const busy = await start({}, { storage });
    await importInto(busy, file);
    disturbing = true;
    const during = await exportOf(busy);
    disturbing = false;
    assert.ok(made > 5, `${made} writes during the export`);
    assert.ok(during.equals(file));
  });

  describe('loads nothing, and says at which line,', () => {
    let to: Tracker;
    let lines: string[];
    let middle: number;
    beforeEach(async () => {
      to = await start();
      lines = linesOf(file);
      middle = Math.floor(lines.length / 2);
    });

    const indexOfUnusual = () => lines.findIndex((line) => /[^\0-\x7f]/.test(line));

    /** Lines count from 1. */
    async function refused(bad: Buffer, line: number, why: RegExp): Promise<void> {
      const error = await failureOf(importInto(to, bad));
      assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
      assert.match(error.details, new RegExp(`^line ${line}: .*nothing was stored$`));
      assert.match(error.details, why);
      assert.equal(await rowsIn(to.service(store)), 0);
    }

    for (const [what, change, why] of [
      ['is missing', () => lines.splice(middle, 1), /damaged/],
      ['is there twice', () => lines.splice(middle, 0, lines[middle - 1]!), /damaged/],
      ['is in another place', () => lines.splice(middle, 2, lines[middle + 1]!, lines[middle]!), /damaged/],
    ] as const)
      it(`where one ${what}`, async () => {
        change();
        await refused(fileOf(lines), middle + 1, why);
      });

    it('where any byte of a line is another', async () => {
      const begin = lines.slice(0, middle).join('\n').length + 1;
      const { length } = lines[middle]!;
      for (const at of [0, 1, Math.floor(length / 2), length - 11, length - 5, length - 2, length - 1, length]) {
        const bad = Buffer.from(file);
        bad[Buffer.byteLength(file.toString().slice(0, begin)) + at]! ^= 1;
        await refused(bad, middle + 1, /damaged|not JSON/);
      }
    });

    it('where the file is cut off', async () => {
      await refused(file.subarray(0, -1), lines.length, /cut off/);
      await refused(file.subarray(0, -20), lines.length, /cut off/);
      await refused(fileOf(lines.slice(0, -1)), lines.length, /ends before its last line/);
      await refused(fileOf(lines.slice(0, middle)), middle + 1, /ends before its last line/);
      await refused(fileOf(lines.slice(0, 1)), 2, /ends before its last line/);
      await refused(Buffer.alloc(0), 1, /the file is empty/);
    });

    it('where something follows the last line', async () => {
      await refused(fileOf([...lines, lines.at(-1)!]), lines.length + 1, /follows the last line/);
      await refused(Buffer.concat([file, Buffer.from('\n')]), lines.length + 1, /follows the last line/);
    });

    it('where the file is none of a tracker', async () => {
      await refused(Buffer.from('id,name\n1,x\n'), 1, /not JSON/);
      await refused(Buffer.from('{"hello":"world and more"}\n'), 1, /not the first line of a tracker's export/);
      await refused(Buffer.from('null\n'), 1, /not the first line of a tracker's export/);
      await refused(fileOf(lines.slice(1)), 1, /not the first line of a tracker's export/);
      await refused(Buffer.from([0xff, 0xfe, 0x0a]), 1, /not UTF-8/);
      await refused(fileOf([lines[0]!.replace('"version":1,', '"version":2,')]), 1, /another version of the format/);
    });

    it('where a line is longer than any of an export, without keeping it', async () => {
      await refused(Buffer.alloc(64 * 1024 * 1024 + 1, 'x'), 1, /longer than 64 MiB/);
    });

    it('where another program changed the file', async () => {
      await refused(gzipSync(file), 1, /is compressed: unpack it first/);
      await refused(Buffer.from(file.toString().replaceAll('\n', '\r\n')), 1, /ends with CR and LF/);
      await refused(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), file]), 1, /begins with a byte order mark/);
      await refused(Buffer.from(file.toString(), 'utf16le'), 1, /is not JSON/);
      await refused(Buffer.from(file.toString(), 'latin1'), indexOfUnusual() + 1, /damaged/);
    });

    describe('where each line is whole, but', () => {
      type Values = (string | number | null)[];
      let header: { readonly tables: { name: string; columns: string[] }[] };
      let rows: Values[];
      beforeEach(() => {
        const [first, ...more] = lines.map(unsealed);
        header = first;
        rows = more.slice(0, -1);
      });
      /** Of the first row of the table. */
      const rowOf = (table: string) => rows.findIndex(([name]) => name === table);
      const columnOf = (table: string, column: string) =>
        1 + header.tables.find(({ name }) => name === table)!.columns.indexOf(column);
      /** Rows count from 0, and stand behind the first line. */
      const refusedRow = (row: number, why: RegExp) => refused(sealed(header, rows), row + 2, why);

      it('a row is there twice', async () => {
        const at = rowOf('issues');
        rows.splice(at, 0, rows[at]!);
        await refusedRow(at + 1, /has the primary key of the line above/);
      });

      it('rows are in another order', async () => {
        const at = rowOf('issues');
        rows.splice(at, 2, rows[at + 1]!, rows[at]!);
        await refusedRow(at + 1, /comes behind a line that it stands before/);
      });

      it('a table comes too late', async () => {
        rows.push(rows.shift()!);
        await refusedRow(rows.length - 1, /comes behind a line that it stands before/);
      });

      it('a row has a key that another has', async () => {
        const [at, key] = [rowOf('issues'), columnOf('issues', 'key')];
        rows[at + 1] = rows[at + 1]!.with(key, rows[at]![key]!);
        const error = await failureOf(importInto(to, sealed(header, rows)));
        assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
        const [, line] =
          /^line (\d+): this line, or one above, cannot be stored: .*'issue_key'.*nothing was stored$/.exec(
            error.details,
          ) ?? [];
        assert.ok(Number(line) >= at + 3, error.details);
        assert.equal(await rowsIn(to.service(store)), 0);
        await importInto(to, file);
      });

      it('a row is of a table that no plugin of this tracker has', async () => {
        header.tables.push({ name: 'sprints', columns: ['id', 'version'] });
        rows.push(['sprints', 'x', 1]);
        await refused(sealed(header, rows), 1, /names the table 'sprints', which no plugin of this tracker has/);
      });

      it('a row is of a table that the first line does not name', async () => {
        rows.push(['sprints', 'x', 1]);
        await refusedRow(rows.length - 1, /of a table that the first line does not name/);
      });

      it('an event has no place in the log', async () => {
        const at = rowOf('changes') + 1;
        rows[at] = rows[at]!.with(columnOf('changes', 'seq'), null);
        await refusedRow(at, /is an event without a place in the log/);
      });

      it('a value is none of its column', async () => {
        for (const [column, value, why] of [
          ['summary', 'x'.repeat(201), /issues.summary: must be at most 200 characters/],
          ['number', 'one', /issues.number: must be an integer/],
          ['number', 2 ** 53, /issues.number: must be an integer/],
          ['key', null, /issues.key: must have a value/],
          ['version', 0, /issues.version: must be a positive integer/],
        ] as const) {
          const at = rowOf('issues');
          const before = rows[at]!;
          rows[at] = before.with(columnOf('issues', column), value);
          await refusedRow(at, why);
          rows[at] = before;
        }
      });
    });

    it('where two files are one after the other', async () => {
      await refused(Buffer.concat([file, file]), lines.length + 1, /follows the last line/);
    });
  });

  it('needs an empty store, and names the tables that have rows', async () => {
    const to = await start({ SEED_USER_COUNT: '1' });
    await orderedLog(to);
    const before = await exportOf(to);
    const error = await failureOf(importInto(to, file));
    assert.equal(error.code, status.FAILED_PRECONDITION);
    assert.match(error.details, /needs an empty store, and this one has rows in changes, history, users;/);
    assert.ok((await exportOf(to)).equals(before));
    await importInto(await start(), before);
  });

  it('is one at a time', async () => {
    const to = await start();
    const both = await Promise.allSettled([importInto(to, file), importInto(to, file)]);
    const [lost, ...more] = both.filter((one) => one.status === 'rejected');
    assert.equal(more.length, 0);
    assert.match(lost?.reason.details, /another import is under way|needs an empty store/);
    assert.ok((await exportOf(to)).equals(file));
  });

  it('gives events a place that the log has not ordered yet, behind all others, each scope in its order', async () => {
    const source = await start();
    await source.http('POST', '/v1/users', { name: 'Ann', email: 'ann@example.com' });
    const of = source.service(store);
    const event = {
      actor: null,
      entity: 'user',
      entity_id: 'x',
      kind: 'UPDATED',
      fields: [],
      after: null,
      context: null,
    };
    await of.write(async (tx) => {
      for (const [scope, revision, time] of [
        ['s/1', 8, 2_000_000],
        ['s/3', 1, 1_500_000],
        ['s/1', 7, 1_000_000],
      ] as const) {
        const id = uuidv7Series(Date.now() * 1000 + time)();
        const place = { id, transaction: id, scope, revision, ordinal: 1, time, seq: null, version: 1 };
        await tx.table(changesTable).restore({ ...event, ...place });
      }
    });
    const to = await start();
    const moved = await exportOf(source);
    await importInto(to, moved);
    const changes = await to.service(changeLog).read({ after: 1 });
    assert.deepEqual(
      changes.map(({ seq, scope, revision }) => [seq, scope, revision]),
      [
        [2, 's/1', 7],
        [3, 's/3', 1],
        [4, 's/1', 8],
      ],
    );
    assert.ok((await exportOf(to)).equals(moved));
  });

  it('is for callers on the same machine only', async function () {
    const other = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!other) return this.skip();
    const to = await start();
    // From an address of this machine that others can call too; it does not leave the machine.
    const host = other.address;
    for (const attempt of [() => exportOf(to, host), () => importInto(to, file, { host })]) {
      const error = await failureOf(attempt());
      assert.equal(error.code, status.PERMISSION_DENIED);
      assert.match(error.details, /own machine only/);
    }
    assert.equal(await rowsIn(to.service(store)), 0);
  });

  it('is not offered where ADMIN_API is false', async () => {
    const closed = await start({ ADMIN_API: 'false' });
    assert.equal((await failureOf(exportOf(closed))).code, status.UNIMPLEMENTED);
  });
});
