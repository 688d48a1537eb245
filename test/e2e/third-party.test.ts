import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { changeLog } from '../../core/contracts/log.ts';
import { type Followed, follow, userEnvironment } from '../support/follow.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { stepsOf } from '../support/tutorial.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const fixture = join(root, 'test/fixtures/third-party/issue-tracker-notes');
const steps = stepsOf(readFileSync(join(root, 'docs/tutorial/first-plugin.md'), 'utf8'));

describe('the tutorial', () => {
  it('builds the third party’s plugin, file by file', () => {
    const written = new Map(steps.flatMap((step) => (step.kind === 'file' ? [[step.path, step.text] as const] : [])));
    const files = readdirSync(fixture, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== '.gitignore')
      .map((entry) => relative(fixture, join(entry.parentPath, entry.name)));
    assert.deepEqual([...written.keys()].filter((path) => path !== 'tracker.yaml').sort(), files.sort());
    for (const path of files) assert.equal(written.get(path), readFileSync(join(fixture, path), 'utf8'), path);
  });
});

/**
 * A package of a stranger: made by following the tutorial, from a package of this one, in a folder beside this checkout.
 * What it installs comes from npm's cache, or from the registry.
 */
describe('a third party’s plugin', function () {
  this.timeout(300_000);
  const home = mkdtempSync(join(tmpdir(), 'third-party-'));
  const author = join(home, 'issue-tracker-notes');
  const user = join(home, 'my-tracker');
  let followed: readonly Followed[];
  let grpcurl: boolean;

  before(async function () {
    onlyOn(this, 'memdb', 'it installs packages, and meets the store through the contract alone');
    grpcurl = await run('grpcurl', ['-version']).then(
      () => true,
      () => false,
    );
    if (!grpcurl && process.env['REQUIRE_SERVICES'])
      throw new Error('grpcurl is not on the PATH, and REQUIRE_SERVICES asks for it');
    if (!grpcurl) console.log('    SKIPPED in part: grpcurl is not on the PATH');
    symlinkSync(root, join(home, 'issue-tracker'));
    mkdirSync(author);
    try {
      followed = await follow(steps, author, (tag) => tag === 'grpcurl' && !grpcurl);
    } catch (error) {
      const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH)\b/.test(String(error));
      if (!offline || process.env['REQUIRE_SERVICES']) throw error;
      console.log('    SKIPPED: npm reaches no registry, and its cache lacks what the tutorial installs');
      this.skip();
    }
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const outputOf = (command: RegExp) =>
    followed
      .filter(({ commands }) => command.test(commands))
      .map(({ out }) => out)
      .join('\n');

  it('answers over REST, from its source', () => {
    const out = outputOf(/Firefox/);
    assert.equal(out.match(/"body":"Seen with Firefox, too"/g)?.length, 2, out);
  });

  it('refuses what breaks a rule, and names the field', () => {
    const out = outputOf(/"body": ""/);
    assert.match(out, /"status":"INVALID_ARGUMENT".*"field":"body"/);
  });

  it('answers over gRPC, to a client that knows only what reflection tells it', function () {
    if (!grpcurl) this.skip();
    const out = outputOf(/grpcurl/);
    assert.match(out, /post: "\/v1\/issues\/\{issue_id\}\/notes"/);
    assert.match(out, /"body": "Seen with Firefox, too"/);
  });

  it('shows its health, and where its setting comes from', () => {
    const out = outputOf(/tracker plan/);
    assert.match(out, /"notes_status":"up"/);
    assert.match(out, /notes\n *enabled by: variable PLUGINS\n[\s\S]*maxNotesPerIssue = 100 +\(default of 'notes'\)/);
  });

  it('passes the conformance suite in its own folder', () => {
    assert.match(outputOf(/npm test/), /✔ plugin 'notes'/);
  });

  it('runs from a package in an empty folder, enabled by PLUGINS and by the settings file', () => {
    assert.match(outputOf(/tracker check/), /^ok$/m);
    assert.match(outputOf(/From a package/), /"body":"From a package"/);
    assert.ok(!existsSync(join(user, 'node_modules/issue-tracker-notes/src')));
  });

  it('is refused a setting that it does not know, with the place where it was written', async () => {
    writeFileSync(join(user, 'wrong.yaml'), 'plugins:\n  - use: issue-tracker-notes\n    config: { maxNotes: 3 }\n');
    const env = { ...userEnvironment(), TRACKER_CONFIG: 'wrong.yaml' };
    const refused = run('node_modules/.bin/tracker', ['check'], { cwd: user, env });
    await assert.rejects(refused, ({ stderr }) => /^\[BAD_CONFIG\] .*'notes'.*maxNotes.*wrong\.yaml/.test(stderr));
  });

  it('works with the checkout itself in the place of its package', async () => {
    const link = join(author, 'node_modules/issue-tracker');
    rmSync(link, { recursive: true });
    symlinkSync(root, link);
    const env = { ...userEnvironment(), PLUGINS: './src/plugin.ts' };
    const { stdout } = await run(join(link, 'core/cli/tracker.js'), ['check'], { cwd: author, env });
    assert.equal(stdout, 'ok\n');
  });

  describe('the guides', () => {
    const guides = ['write-a-cache', 'write-a-transport', 'write-a-storage'];
    const test = (guide: string) =>
      run(process.execPath, ['--test', `${join(author, guide)}/test/*.test.ts`], { env: userEnvironment() });

    it('show code that compiles', async () => {
      for (const guide of guides)
        await follow(
          stepsOf(readFileSync(join(root, `docs/guides/${guide}.md`), 'utf8')),
          join(author, guide),
          () => true,
        );
      const include = guides.flatMap((guide) => [`${guide}/src`, `${guide}/test`]);
      writeFileSync(join(author, 'guides.json'), JSON.stringify({ extends: './tsconfig.json', include }));
      await run('node_modules/.bin/tsc', ['-p', 'guides.json'], { cwd: author, env: userEnvironment() });
    });

    for (const guide of ['write-a-cache', 'write-a-transport'])
      it(`make a plugin that passes its suites: ${guide}`, async () => {
        assert.match((await test(guide)).stdout, /^ℹ pass [1-9]\d+$/m);
      });

    it('begin a storage that fails its suite until it is written', async () => {
      await assert.rejects(test('write-a-storage'), ({ stdout }) => /not written yet/.test(stdout));
    });
  });

  describe('in a tracker that has another copy of the contracts', () => {
    let tracker: Tracker;
    let issue: string;
    before(async () => {
      tracker = await startTracker({ PLUGINS: join(user, 'node_modules/issue-tracker-notes/dist/plugin.js') });
      const { project } = (await tracker.http('POST', '/v1/projects', { name: 'Core', key: 'CORE' })).body;
      issue = (await tracker.http('POST', '/v1/issues', { projectId: project.id, summary: 'one' })).body.issue.id;
    });
    after(() => tracker?.stop());

    const create = (body: object, headers = {}) => tracker.http('POST', '/v1/issues/core-1/notes', body, headers);

    it('makes one note of a create that is repeated with its request id', async () => {
      const first = await create({ body: 'once', requestId: 'r-1' });
      assert.deepEqual((await create({ body: 'once', requestId: 'r-1' })).body, first.body);
      assert.deepEqual((await create({ body: 'once' }, { 'idempotency-key': 'r-1' })).body, first.body);
      assert.equal((await create({ body: 'twice', requestId: 'r-1' })).status, 422);
      const { notes } = (await tracker.http('GET', `/v1/issues/${issue}/notes`)).body;
      assert.deepEqual(notes, [first.body.note]);
      assert.deepEqual((await tracker.http('GET', `/v1/notes/${first.body.note.id}`)).body, first.body);
    });

    it('lists by filter, order and page', async () => {
      for (const body of ['b', 'c']) await create({ body });
      const bodies = async (query: string) => {
        const { notes, nextPageToken } = (await tracker.http('GET', `/v1/issues/CORE-1/notes?${query}`)).body;
        return [notes.map(({ body }: { body: string }) => body).join(), nextPageToken];
      };
      assert.deepEqual(await bodies('order_by=created_at%20desc'), ['c,b,once', '']);
      assert.deepEqual(await bodies('filter=body%20!=%20b'), ['once,c', '']);
      const [first, token] = await bodies('page_size=2');
      assert.deepEqual([first, await bodies(`page_size=2&page_token=${token}`)], ['once,b', ['c', '']]);
      assert.equal((await tracker.http('GET', '/v1/issues/CORE-1/notes?filter=colour%20=%20x')).status, 400);
    });

    it('says what is missing in the terms of its own API', async () => {
      const nowhere = await tracker.http('POST', '/v1/issues/CORE-9/notes', { body: 'x' });
      assert.equal(nowhere.status, 400);
      assert.match(nowhere.body.error.message, /^issue_id: /);
      const gone = await tracker.http('GET', '/v1/notes/01900000-0000-7000-8000-000000000000');
      assert.deepEqual([gone.status, gone.body.error.details[0].reason], [404, 'NOTE_NOT_FOUND']);
      assert.equal((await tracker.http('GET', '/v1/issues/CORE-9/notes')).status, 404);
    });

    it('goes with its issue, and each change is an event of the project', async () => {
      const { notes } = (await tracker.http('GET', '/v1/issues/CORE-1/notes')).body;
      await tracker.http('DELETE', `/v1/notes/${notes[0].id}`);
      assert.equal((await tracker.http('DELETE', '/v1/issues/CORE-1')).status, 200);
      for (const { id } of notes) assert.equal((await tracker.http('GET', `/v1/notes/${id}`)).status, 404);
      const events = await tracker.service(changeLog).read({ after: 0 });
      const ofNotes = events.filter(({ entity }) => entity === 'note');
      assert.deepEqual(
        ofNotes.map(
          ({ kind, entityId }) => `${kind} ${notes.findIndex((note: { id: string }) => note.id === entityId)}`,
        ),
        ['CREATED 0', 'CREATED 1', 'CREATED 2', 'DELETED 0', 'DELETED 1', 'DELETED 2'],
      );
      assert.deepEqual(new Set(ofNotes.map(({ scope }) => scope)), new Set([events[0]?.scope]));
      assert.deepEqual(ofNotes.at(-1)?.context, { issue_count: 0, open_issue_count: 0 });
    });
  });
});
