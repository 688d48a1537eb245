import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { onlyOn } from '../support/stores.ts';
import { streamUpdates } from '../support/update-stream.ts';

const WRITERS = 8;
const KILLS = 3;

describe('the tracker on a SQLite file', () => {
  before(function () {
    onlyOn(this, 'memdb', 'it opens the stores that it tests itself');
  });
  let folder: string;
  let path: string;
  const servers = new Set<ServerProcess>();

  const variables = () => ({ DB_TYPE: 'sqlite', SQLITE_PATH: path, SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0' });
  const start = async () => {
    const server = await startServer(variables());
    servers.add(server);
    return server;
  };
  const request = (server: ServerProcess, method: string, at: string, body?: unknown) =>
    fetch(`http://127.0.0.1:${server.httpPort}${at}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const refusal = async (more: Record<string, string> = {}) => {
    const child = spawn(process.execPath, ['core/cli/tracker.js', 'run'], {
      env: { ...process.env, GRPC_PORT: '0', HTTP_PORT: '0', ...variables(), ...more },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.equal(code, 1);
    assert.equal(said.trim().split('\n').length, 1, said);
    return said;
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tracker-sqlite-'));
    path = join(folder, 'data', 'tracker.db');
  });
  afterEach(async () => {
    for (const server of servers) await server.kill();
    servers.clear();
    rmSync(folder, { recursive: true });
  });

  it(`is killed in the middle of writes ${KILLS} times, and has everything that it acknowledged, once`, async () => {
    let server = await start();
    const { project } = (await (await request(server, 'POST', '/v1/projects', { name: 'Core' })).json()) as {
      project: { id: string };
    };
    const acknowledged = new Set<string>();
    for (let kill = 1; kill <= KILLS; kill++) {
      const enough = acknowledged.size + 100;
      const killed = Promise.withResolvers<void>();
      await Promise.all(
        Array.from({ length: WRITERS }, async (_, writer) => {
          for (let n = 0; ; n++) {
            const summary = `${kill}/${writer}/${n}`;
            const answer = await request(server, 'POST', `/v1/projects/${project.id}/issues`, { summary }).catch(
              () => {},
            );
            if (answer?.status !== 200) return killed.promise;
            acknowledged.add(summary);
            if (acknowledged.size === enough) server.kill().then(killed.resolve);
          }
        }),
      );
      servers.delete(server);
      server = await start();
    }
    const summaries: string[] = [];
    const numbers: number[] = [];
    for (let token = ''; ; ) {
      const page = (await (
        await request(server, 'GET', `/v1/projects/${project.id}/issues?pageSize=500&pageToken=${token}`)
      ).json()) as { issues: { summary: string; key: string }[]; nextPageToken?: string };
      summaries.push(...page.issues.map(({ summary }) => summary));
      numbers.push(...page.issues.map(({ key }) => Number(key.split('-')[1])));
      token = page.nextPageToken ?? '';
      if (token === '') break;
    }
    assert.equal(new Set(summaries).size, summaries.length, 'an issue is there twice');
    assert.deepEqual(
      [...acknowledged].filter((one) => !summaries.includes(one)),
      [],
    );
    const expected = Array.from({ length: numbers.length }, (_, index) => index + 1);
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      expected,
      'the numbers have gaps',
    );
  });

  it('is refused to a second process with one line, and free again when the first is gone, however it went', async () => {
    const first = await start();
    assert.match(await refusal(), /cannot open the SQLite file '.*tracker\.db': another process has it open/);
    await first.kill();
    servers.delete(first);
    const second = await start();
    assert.equal((await request(second, 'GET', '/v1/users')).status, 200);
  });

  it('is restored from a backup: a token of the stream from before it is good, one from after it is refused', async () => {
    const create = async (name: string) => {
      const answer = await request(server, 'POST', '/v1/projects', { name });
      assert.equal(answer.status, 200);
    };
    const follow = async (resumeToken: string) => {
      const stream = streamUpdates(server.grpcPort, { resumeToken });
      const { ended } = stream;
      const reached = stream.until(({ message }) => message?.$case === 'heartbeat').then((one) => one.resumeToken);
      const how = await Promise.race([reached.catch(() => ended), ended]);
      stream.close();
      return typeof how === 'string' ? how : how.reason;
    };
    const head = () => follow('');
    const stop = async () => {
      await server.stop();
      servers.delete(server);
    };
    const backup = join(folder, 'backup.db');
    let server = await start();
    const empty = await head();
    await create('Before');
    const before = await head();
    await stop();
    copyFileSync(path, backup);
    server = await start();
    await create('Lost');
    const lost = await head();
    await stop();
    copyFileSync(backup, path);
    server = await start();
    assert.equal(await follow(lost), 'RESUME_TOKEN_AHEAD');
    for (const name of ['Another', 'One more']) await create(name);
    assert.equal(await follow(lost), 'RESUME_TOKEN_OF_ANOTHER_HISTORY');
    const now = await head();
    for (const token of [empty, before, now]) assert.equal(await follow(token), now);
  });

  it('says in one line what is wrong with the file, and ends with code 1', async () => {
    path = join(folder, 'diary.db');
    writeFileSync(path, 'dear diary, '.repeat(100));
    assert.match(await refusal(), /diary\.db': the file is not a SQLite database, or is damaged/);
    path = join(folder, 'diary.db', 'tracker.db');
    assert.match(await refusal(), /tracker\.db': its folder cannot be made or entered \(E[A-Z]+\)/);
    path = join(folder, 'new.db');
    assert.match(await refusal({ ENVIRONMENT: 'production' }), /run 'tracker migrate apply'/);
  });
});
