import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { store } from '../../core/contracts/store.ts';
import { IssueServiceService as Issues } from '../../proto/gen/issue/v1/issue.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { exportOf, importInto } from '../support/move.ts';
import { startServer } from '../support/server-process.ts';
import { storageThatWrites } from '../support/storage.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker } from '../support/tracker.ts';

const launcher = join(import.meta.dirname, '../../core/cli/tracker.js');
/** What an import may take; nothing else may take so long. */
const HOUR = 3_600_000;

/** A storage that stops once, in an import, when all rows are given and none is committed. */
function storageThatStops() {
  const stopped = Promise.withResolvers<void>();
  let outcome: Promise<unknown> | undefined;
  const storage = storageThatWrites((write) => (fn, options) => {
    if (outcome || options?.timeoutMs !== HOUR) return write(fn, options);
    const result = write(async (tx) => {
      await fn(tx);
      stopped.resolve();
      return new Promise<never>(() => {});
    }, options);
    outcome = result.then(
      () => 'stored',
      (error) => error,
    );
    return result;
  });
  return { storage, stopped: stopped.promise, outcome: () => outcome };
}

const rowsOf = (file: Buffer): number => JSON.parse(file.toString().trimEnd().split('\n').at(-1)!).rows;

describe('an import that breaks off', function () {
  this.timeout(60_000);
  let folder: string;
  let file: Buffer;
  before(async () => {
    const from = await startTracker({ SEED_USER_COUNT: '20', SEED_PROJECT_COUNT: '3', SEED_RELATIONSHIPS: 'true' });
    file = await exportOf(from);
    await from.stop();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'move-'));
    writeFileSync(join(folder, 'all.ndjson'), file);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [what, breakOff] of [
    ['the command is killed', async (child: ReturnType<typeof spawn>) => void child.kill('SIGKILL')],
    ['the command is interrupted', async (child: ReturnType<typeof spawn>) => void child.kill('SIGINT')],
    ['the connection is cut', (_: unknown, proxy: CuttingProxy) => proxy.close()],
  ] as const)
    it(`stores nothing when ${what} while the server stores, and the next one does`, async () => {
      const { storage, stopped, outcome } = storageThatStops();
      const to = await startTracker({}, { storage });
      const proxy = await CuttingProxy.start(to.grpcPort);
      try {
        const args = [launcher, 'import', '--to', `127.0.0.1:${proxy.port}`, 'all.ndjson'];
        const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
        const ended = once(child, 'exit');
        await stopped;
        await breakOff(child, proxy);
        const [code, signal] = await ended;
        assert.notEqual(signal ?? code, 0);
        assert.match(String(await outcome()), /called off/);
        await to.service(store).read(async (tx) => {
          for (const table of to.service(store).tables) assert.equal(await tx.table(table).count(), 0, table.name);
        });
        // It gives up its room on the disk first.
        await to.service(store).lease('admin.import', async () => {});
        await importInto(to, file);
        assert.ok((await exportOf(to)).equals(file));
      } finally {
        if (what !== 'the connection is cut') await proxy.close();
        await to.stop();
      }
    });

  it('leaves all or nothing in a SQLite file, and nothing in the folder for temporary files, when the server is killed', async function () {
    onlyOn(this, 'memdb', 'it opens the store that it tests itself');
    const from = await startTracker();
    const { body } = await from.http('POST', '/v1/projects', { name: 'Large', key: 'LARGE' });
    // So much that SQLite's cache does not hold it: what the log grows by is then of the import.
    for (let batch = 0; batch < 3; batch++)
      await from.grpc(Issues.batchCreateIssues, {
        requests: Array.from({ length: 1000 }, (_, i) =>
          Issues.createIssue.requestDeserialize(
            Issues.createIssue.requestSerialize({
              ...Issues.createIssue.requestDeserialize(Buffer.alloc(0)),
              projectId: body.project.id,
              summary: `issue ${batch}/${i}`,
              description: 'x'.repeat(2_500),
            }),
          ),
        ),
      });
    const large = await exportOf(from);
    await from.stop();
    const path = join(folder, 'tracker.db');
    const temporary = mkdtempSync(join(folder, 'tmp-'));
    const variables = {
      DB_TYPE: 'sqlite',
      SQLITE_PATH: path,
      SEED_USER_COUNT: '0',
      SEED_PROJECT_COUNT: '0',
      TMPDIR: temporary,
    };
    const over = new AbortController();
    const killed = await startServer(variables);
    try {
      const grown = statSync(`${path}-wal`).size + 2 ** 20;
      const changes = watch(folder, { signal: over.signal })[Symbol.asyncIterator]();
      const change = changes.next();
      const ended = importInto(killed, large)
        .catch(() => {})
        .finally(() => over.abort());
      // Where the import has ended before, there is nothing to wait for.
      await change.catch(() => {});
      while (!over.signal.aborted && statSync(`${path}-wal`).size < grown) await changes.next().catch(() => {});
      await killed.kill();
      await ended;
    } finally {
      over.abort();
      await killed.kill();
    }
    assert.deepEqual(
      readdirSync(temporary).filter((name) => name.startsWith('tracker-')),
      [],
    );
    const next = await startServer(variables);
    try {
      // All of it, where the process was killed too late.
      const left = await exportOf(next);
      if (rowsOf(left) === 0) await importInto(next, large);
      assert.ok((await exportOf(next)).equals(large));
    } finally {
      await next.stop();
    }
  });
});
