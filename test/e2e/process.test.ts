import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../support/free-port.ts';
import { onlyOn } from '../support/stores.ts';

/** The command as a user starts it, from the checkout. */
function tracker(args: readonly string[], variables: Record<string, string> = {}) {
  return launch(process.execPath, ['core/cli/tracker.js', ...args], variables);
}

const children = new Set<ChildProcess>();

function launch(command: string, args: readonly string[], variables: Record<string, string>) {
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], GRPC_PORT: '0', HTTP_PORT: '0', ...variables },
  });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, out, err }));
  return { child, ended, output: () => out };
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (response?.status === 200) return;
  }
  throw new Error('the tracker ended before it was ready');
}

describe('the tracker command', () => {
  before(function () {
    onlyOn(this, 'memdb', 'the command is the same with every store');
  });
  // A failure must not leave a server behind, which would keep the run from ending.
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    children.clear();
  });

  for (const [name, variables, text] of [
    ['a choice that does not exist', { DB_TYPE: 'postgre' }, /DB_TYPE.*memdb.*postgres/s],
    ['a port that is no number', { GRPC_PORT: 'abc' }, /GRPC_PORT/],
    ['a port out of range', { HTTP_PORT: '70000' }, /HTTP_PORT/],
    ['a plugin that does not exist', { PLUGINS: './nowhere.ts' }, /nowhere/],
  ] as const)
    it(`ends with one clear message and code 1 for ${name}`, async () => {
      const { code, err } = await tracker(['run'], variables).ended;
      assert.equal(code, 1);
      assert.match(err, text);
      assert.equal(err.trim().split('\n').length, 1, err);
      assert.doesNotMatch(err, /\n\s+at /);
    });

  it('ends with one clear message and code 1 when a port is taken, and leaves the other start alone', async () => {
    const [grpc, http] = [await freePort(), await freePort()];
    const first = tracker(['run'], { GRPC_PORT: String(grpc), HTTP_PORT: String(http) });
    await answering(http, first.child);
    for (const variables of [{ GRPC_PORT: String(grpc) }, { HTTP_PORT: String(http) }]) {
      const { code, err } = await tracker(['run'], variables).ended;
      assert.equal(code, 1);
      assert.match(err, new RegExp(String(Object.values(variables)[0])));
      assert.equal(err.trim().split('\n').length, 1, err);
    }
    await answering(http, first.child);
    first.child.kill('SIGTERM');
    assert.equal((await first.ended).code, 0);
  });

  it('loses no call when it is stopped under load', async () => {
    const http = await freePort();
    const run = tracker(['run'], { HTTP_PORT: String(http) });
    await answering(http, run.child);
    const failures: string[] = [];
    let answered = 0;
    let refused = false;
    let stopping = false;
    const worker = async (id: number) => {
      for (let i = 0; !refused; i += 1) {
        try {
          const response = await fetch(`http://127.0.0.1:${http}/v1/users`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ name: 'x', email: `u${id}.${i}@example.com` }),
          });
          await response.text();
          if (response.status === 200) answered += 1;
          else if (response.status !== 503) failures.push(String(response.status));
        } catch (error) {
          // Only a connection that was never accepted may fail: such a call can be repeated.
          const { code } = ((error as Error).cause ?? {}) as { code?: string };
          if (code === 'ECONNREFUSED') refused = true;
          else failures.push(String(code ?? error));
        }
        // Once: a second signal ends it at once.
        if (answered >= 200 && !stopping) stopping = run.child.kill('SIGTERM');
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, id) => worker(id)));
    const { code } = await run.ended;
    assert.equal(code, 0);
    assert.deepEqual(failures, []);
    assert.ok(answered >= 200);
  });

  it('stops with npm start: a signal to npm reaches the server', async () => {
    const http = await freePort();
    const run = launch('npm', ['start'], { HTTP_PORT: String(http) });
    await answering(http, run.child);
    run.child.kill('SIGTERM');
    // Ends when the last process that holds its output does.
    const { out } = await run.ended;
    assert.match(out, /"stopped"/);
    await assert.rejects(fetch(`http://127.0.0.1:${http}/healthz`));
  });

  it('plans: every plugin in order, with its reason', async () => {
    const { code, out } = await tracker(['plan']).ended;
    assert.equal(code, 0);
    const position = (name: string) => out.search(new RegExp(`\\b${name}\\b`));
    for (const [before, after] of [
      ['storage-memdb', 'log'],
      ['user', 'project'],
      ['api', 'grpc'],
      ['api', 'rest'],
    ] as const)
      assert.ok(position(before) >= 0 && position(before) < position(after), `${before} before ${after}\n${out}`);
    assert.match(out, /DB_TYPE/);
  });

  it('checks without opening anything', async () => {
    const good = await tracker(['check']).ended;
    assert.equal(good.code, 0);
    const bad = await tracker(['check'], { SEED_USER_COUNT: '-1', CACHE_TYPE: 'redi' }).ended;
    assert.equal(bad.code, 1);
    assert.match(bad.err, /SEED_USER_COUNT/);
    assert.match(bad.err, /CACHE_TYPE/);
  });
});
