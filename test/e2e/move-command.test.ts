import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEachPage, exportOf, importInto } from '../support/move.ts';
import { storageThatReads } from '../support/storage.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

const INSTEAD = 'remove it, choose another name, or replace it by --force';
const HOUR = 3_600_000;
const launcher = join(import.meta.dirname, '../../core/cli/tracker.js');

describe('tracker export and tracker import', () => {
  let folder: string;
  let from: Tracker;
  let to: Tracker;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'move-'));
    from = await startTracker({ SEED_USER_COUNT: '20', SEED_PROJECT_COUNT: '3', SEED_RELATIONSHIPS: 'true' });
    to = await startTracker();
  });
  afterEach(async () => {
    await from.stop();
    await to.stop();
    rmSync(folder, { recursive: true });
  });

  function begin(args: readonly string[], { env, input }: { readonly env?: object; readonly input?: string } = {}) {
    const child = spawn(process.execPath, [launcher, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...env },
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    return child;
  }
  async function end(child: ReturnType<typeof begin>) {
    const [out, err, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('exit', resolve)),
    ]);
    return { out, err, code };
  }
  const tracker = (...of: Parameters<typeof begin>) => end(begin(...of));
  const at = ({ grpcPort }: Tracker) => `--to=127.0.0.1:${grpcPort}`;

  it('move everything by a file that only its owner may read, and say nothing', async () => {
    assert.deepEqual(await tracker(['export', at(from), 'all.ndjson']), { out: '', err: '', code: 0 });
    assert.deepEqual(readdirSync(folder), ['all.ndjson']);
    assert.equal(statSync(join(folder, 'all.ndjson')).mode & 0o777, 0o600);
    assert.deepEqual(await tracker(['import', at(to), 'all.ndjson']), { out: '', err: '', code: 0 });
    assert.ok((await exportOf(to)).equals(readFileSync(join(folder, 'all.ndjson'))));
  });

  it('move everything by stdout and stdin, to the port that GRPC_PORT says', async () => {
    const exported = await tracker(['export'], { env: { GRPC_PORT: String(from.grpcPort) } });
    assert.deepEqual([exported.err, exported.code], ['', 0]);
    const env = { GRPC_PORT: String(to.grpcPort) };
    assert.deepEqual(await tracker(['import', '-'], { env, input: exported.out }), { out: '', err: '', code: 0 });
    assert.equal((await exportOf(to)).toString(), exported.out);
  });

  it('put a new export in the place of an old one where that is asked for', async () => {
    writeFileSync(join(folder, 'all.ndjson'), 'old');
    symlinkSync('all.ndjson', join(folder, 'latest.ndjson'));
    for (const name of ['all.ndjson', 'latest.ndjson']) {
      const { err, code } = await tracker(['export', at(from), name]);
      assert.deepEqual([err, code], [`tracker export: ${name} is there already; ${INSTEAD}\n`, 1]);
    }
    assert.equal(readFileSync(join(folder, 'all.ndjson'), 'utf8'), 'old');
    assert.deepEqual(await tracker(['export', at(from), '--force', 'latest.ndjson']), { out: '', err: '', code: 0 });
    assert.ok(lstatSync(join(folder, 'latest.ndjson')).isSymbolicLink());
    await importInto(to, readFileSync(join(folder, 'all.ndjson')));
  });

  it('never put a file in the place of a pipe or a folder', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const name of ['pipe', '.']) {
      const { err, code } = await tracker(['export', at(from), '--force', name]);
      assert.match(err, /^tracker export: \S+ is not a file; for a pipe or a device leave it out, [^\n]*\n$/);
      assert.equal(code, 1);
    }
    assert.ok(statSync(pipe).isFIFO());
  });

  it('say that the disk is full, and leave nothing that looks whole', async function () {
    if (!existsSync('/dev/full')) return this.skip();
    const limited = (command: string) =>
      new Promise<string>((resolve) => {
        const shell = spawn('sh', ['-c', command, process.execPath, launcher, at(from)], { cwd: folder });
        text(shell.stderr).then(resolve);
      });
    const full = await limited('"$0" "$1" export "$2" > /dev/full; echo $? >&2');
    assert.equal(full, 'tracker export: cannot write to stdout: ENOSPC: no space left on device, write\n1\n');
    const file = await limited('ulimit -f 8; "$0" "$1" export "$2" all.ndjson; echo $? >&2');
    assert.equal(file, 'tracker export: cannot write all.ndjson: EFBIG: file too large, write\n1\n');
    assert.deepEqual(readdirSync(folder), []);
  });

  it('leave nothing of an export that is interrupted', async () => {
    let begun = Promise.withResolvers<void>();
    const held = () => {
      begun.resolve();
      return new Promise<void>(() => {});
    };
    const storage = storageThatReads(
      (read) => (fn, options) =>
        // An export reads for as long as an hour, and nothing else does.
        options?.timeoutMs === HOUR ? read((tx) => fn(afterEachPage(tx, held)), options) : read(fn, options),
    );
    const slow = await startTracker({}, { storage });
    try {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        begun = Promise.withResolvers();
        const child = begin(['export', at(slow), 'all.ndjson']);
        const ended = end(child);
        await begun.promise;
        assert.deepEqual(readdirSync(folder), [`all.ndjson.${child.pid}.part`]);
        child.kill(signal);
        assert.deepEqual(await ended, { out: '', err: 'tracker export: interrupted\n', code: 130 });
        assert.deepEqual(readdirSync(folder), []);
      }
    } finally {
      await slow.stop();
    }
  });

  it('say in one line what is wrong, and exit with 1', async () => {
    const file = await exportOf(from);
    writeFileSync(join(folder, 'cut.ndjson'), file.subarray(0, -100));
    writeFileSync(join(folder, 'whole.ndjson'), file);
    const lines = file.toString().split('\n').length - 1;
    const nobody = await startTracker();
    await nobody.stop();
    for (const [args, message] of [
      [['import', at(to), 'cut.ndjson'], `line ${lines}: is cut off; nothing was stored`],
      [['import', at(from), 'whole.ndjson'], /an import needs an empty store, and this one has rows in changes, .*/],
      [['import', at(to), 'none.ndjson'], /cannot read none.ndjson: ENOENT.*/],
      [['import', at(to), '.'], /cannot read \.: EISDIR.*/],
      [['import', at(nobody), 'whole.ndjson'], /no tracker answers at 127.0.0.1:\d+; start it, or say .*/],
      [['export', at(nobody), 'new.ndjson'], /no tracker answers at 127.0.0.1:\d+; start it, or say .*/],
      [['export', at(from), 'no/such/folder'], /cannot write no\/such\/folder: ENOENT.*/],
    ] as const) {
      const { out, err, code } = await tracker(args);
      assert.deepEqual([out, code], ['', 1], err);
      const wanted = typeof message === 'string' ? message : message.source;
      assert.match(err, new RegExp(`^tracker ${args[0]}: ${wanted}\n$`));
    }
    assert.deepEqual(readdirSync(folder).sort(), ['cut.ndjson', 'whole.ndjson']);
  });

  it('leave nothing of an export that broke off', async () => {
    const closed = await startTracker({ ADMIN_API: 'false' });
    try {
      writeFileSync(join(folder, 'all.ndjson'), 'old');
      const { err, code } = await tracker(['export', at(closed), '--force', 'all.ndjson']);
      assert.match(err, /^tracker export: the tracker at 127.0.0.1:\d+ does not offer this \(ADMIN_API=false\)\n$/);
      assert.equal(code, 1);
      assert.deepEqual(readdirSync(folder), ['all.ndjson']);
      assert.equal(readFileSync(join(folder, 'all.ndjson'), 'utf8'), 'old');
    } finally {
      await closed.stop();
    }
  });

  it('exit with 2 for arguments that they do not take', async () => {
    for (const [args, message] of [
      [['import'], /needs the file to load/],
      [['import', 'a', 'b'], /takes one file/],
      [['export', 'a', 'b'], /takes one file/],
      [['export', '--from=x'], /--from/],
      [['export', '--to', 'nowhere'], /--to must be host:port/],
      [['export', '--to'], /--to/],
      [['import', '--force', 'a'], /an import replaces nothing/],
    ] as const) {
      const { out, err, code } = await tracker(args);
      assert.deepEqual([out, code], ['', 2], err);
      assert.match(err, message);
      assert.match(err, /^tracker (im|ex)port: [^\n]*\n$/);
    }
    const { err, code } = await tracker(['export'], { env: { GRPC_PORT: '0' } });
    assert.equal(code, 1);
    assert.match(err, /GRPC_PORT is 0/);
  });
});
