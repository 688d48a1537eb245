import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startServer } from '../support/server-process.ts';
import { postgres } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';

const root = join(import.meta.dirname, '../..');
const marks = join(root, 'test/fixtures/plugins/marks.ts');

for (const kind of ['sqlite', 'postgres'])
  describe(`a new version of a plugin's table, on ${kind}`, () => {
    let folder = '';
    let place: Readonly<Record<string, string>>;
    let remove = async () => {};

    before(async function () {
      onlyOn(this, 'memdb', 'it opens the stores that it tests itself');
      folder = mkdtempSync(join(tmpdir(), 'tracker-migrate-'));
      place = { DB_TYPE: 'sqlite', SQLITE_PATH: join(folder, 'data', 'tracker.db') };
      if (kind === 'sqlite') return;
      const database = await (await postgres(this)).createDatabase();
      place = database.variables;
      remove = () => database.drop();
    });
    after(async () => {
      await remove();
      if (folder) rmSync(folder, { recursive: true });
    });

    /** The tracker in production with this version of the plugin. */
    function variables(version: number) {
      const file = join(folder, `v${version}.yaml`);
      writeFileSync(file, `plugins:\n  - use: ${marks}\n    config: { version: ${version} }\n`);
      return { ...place, ENVIRONMENT: 'production', TRACKER_CONFIG: file };
    }
    async function tracker(version: number, ...args: string[]) {
      const child = spawn(process.execPath, [join(root, 'core/cli/tracker.js'), ...args], {
        env: { ...process.env, GRPC_PORT: '0', HTTP_PORT: '0', ...variables(version) },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
      return { code: code as number, stdout, stderr };
    }
    const migrate = (version: number, ...args: string[]) => tracker(version, 'migrate', ...args);
    const serves = async (version: number) => {
      const server = await startServer(variables(version));
      try {
        return (await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)).ok;
      } finally {
        await server.stop();
      }
    };

    it('begins with an empty database, of which everything is to be made', async () => {
      const status = await migrate(1, 'status');
      assert.deepEqual([status.code, status.stderr], [3, '']);
      const plan = await migrate(1, 'plan');
      assert.deepEqual([plan.code, plan.stderr], [3, '']);
      // Looking makes nothing.
      assert.deepEqual(readdirSync(folder), ['v1.yaml']);
      const absent = kind === 'sqlite' ? `there is no file '${place['SQLITE_PATH']}': apply makes it\n` : '';
      assert.ok(plan.stdout.startsWith(absent), plan.stdout);
      assert.ok(status.stdout.startsWith(`${absent}schema: changes to make: `), status.stdout);
      assert.match(plan.stdout, /^create table marks\n {4}CREATE TABLE "marks" \(.*\).*;$/m);
      const stdout = plan.stdout.slice(absent.length);
      assert.deepEqual(await migrate(1, 'apply'), { code: 0, stdout, stderr: '' });
      assert.deepEqual(await migrate(1, 'plan'), { code: 0, stdout: 'nothing to migrate\n', stderr: '' });
      assert.equal(await serves(1), true);
    });

    it('does not serve the next version in production before it is told to migrate', async () => {
      const plan = await migrate(2, 'plan');
      assert.equal(plan.code, 3);
      assert.match(plan.stdout, /^add column marks\.color\n[\s\S]*^data migration marks\/fill_color$/m);
      if (kind === 'sqlite') {
        const { code, stderr } = await tracker(2, 'run');
        assert.equal(code, 1);
        assert.match(stderr, /^.*the schema is not that of this version .*run 'tracker migrate apply'.*\n$/);
      }
      assert.equal((await migrate(2, 'apply')).code, 0);
      const status = await migrate(2, 'status');
      assert.equal(status.code, 0);
      assert.match(status.stdout, /^schema: up to date\ndata migration marks\/fill_color: run at 20\d\d-.*Z\n$/);
      assert.equal(await serves(2), true);
    });

    it('says in one line that a version is older than the schema', async () => {
      const { code, stdout, stderr } = await migrate(1, 'apply');
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(
        stderr,
        /^the schema is newer than this version: the data migration 'marks\/fill_color' was run, .*\n$/,
      );
    });

    it('loses nothing unless that is allowed', async () => {
      const refused = await migrate(3, 'apply');
      assert.deepEqual([refused.code, refused.stdout], [1, '']);
      assert.match(
        refused.stderr,
        /^the schema .* loses data \(change the type of marks\.color .*--allow-destructive'\n$/,
      );
      const { code, stdout } = await migrate(3, 'apply', '--allow-destructive');
      assert.equal(code, 0);
      assert.match(stdout, /^change the type of marks\.color .*\n[\s\S]*^drop index marks__by_color/m);
    });
  });
