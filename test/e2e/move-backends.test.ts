import assert from 'node:assert/strict';
import { type Store, store } from '../../core/contracts/store.ts';
import { exportStore } from '../../plugins/admin/export.ts';
import { importInto } from '../../plugins/admin/import.ts';
import { exportOf, importInto as importIntoTracker } from '../support/move.ts';
import { checkLog } from '../support/replay.ts';
import { postgres } from '../support/services/postgres.ts';
import { type OpenStore, openPostgres, openSqlite } from '../support/sql-stores.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { runWorkload, testSeed } from '../support/workload.ts';

const OPTIONS = { signal: new AbortController().signal, timeoutMs: 60_000 };

async function exported(from: Store): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const { data } of exportStore(from, OPTIONS)) parts.push(data);
  return Buffer.concat(parts);
}

async function* inParts(file: Buffer, bytes = 10_000): AsyncGenerator<Uint8Array, void, undefined> {
  for (let from = 0; from < file.length; from += bytes) yield file.subarray(from, from + bytes);
}

describe('a move from backend to backend', function () {
  this.timeout(120_000);
  before(function () {
    onlyOn(this, 'memdb', 'it opens the stores that it tests itself');
  });
  const seed = testSeed();
  const trackers: Tracker[] = [];
  const stores: OpenStore[] = [];
  afterEach(async function () {
    if (this.currentTest?.isFailed()) console.error(`TEST_SEED=${seed}`);
    for (const one of stores.splice(0)) await one.close();
    for (const one of trackers.splice(0)) await one.stop();
  });
  const tracker = async () => {
    const one = await startTracker();
    trackers.push(one);
    return one;
  };

  it('is the same file on memdb, SQLite, PostgreSQL, and memdb again', async function () {
    const first = await tracker();
    await runWorkload(first, { seed, decks: 3 });
    await first.http(
      'POST',
      '/v1/users',
      { name: 'Zoë 😀 \u2028 \\ "', email: 'z@example.com' },
      { 'idempotency-key': 'k' },
    );
    const file = await exportOf(first);
    const { tables } = first.service(store);
    const server = await postgres(this);
    for (const open of [openSqlite, openPostgres(server, await server.createDatabase())]) {
      const opened = await open(tables);
      stores.push(opened);
      await importInto(opened.store, inParts(file), OPTIONS);
      assert.ok((await exported(opened.store)).equals(file), opened.store.kind);
      await assert.rejects(importInto(opened.store, inParts(file), OPTIONS), /needs an empty store/);
    }
    const last = await tracker();
    await importIntoTracker(last, file);
    await checkLog(last);
    assert.ok((await exportOf(last)).equals(file));
  });
});
