import assert from 'node:assert/strict';
import type { SeedContext, Seeder } from '../../../core/contracts/seed.ts';
import plugin from '../../../plugins/seed/plugin.ts';
import { setUp } from '../plugin-context.ts';

/** The lease of one store: one holder at a time. */
function oneStore() {
  let last: Promise<unknown> = Promise.resolve();
  const names: string[] = [];
  return {
    names,
    lease: (name: string, fn: (signal: AbortSignal) => Promise<unknown>, options: { signal: AbortSignal }) => {
      names.push(name);
      last = last.then(() => fn(options.signal));
      return last;
    },
  };
}

/** A seeder that makes ids 'name-1', 'name-2' ... and says what it was given. */
function fakeSeeder(name: string, after: readonly string[] = [], more: Partial<Seeder> = {}) {
  const runs: SeedContext[] = [];
  let made: string[] = [];
  const seeder: Seeder = {
    name,
    after,
    isEmpty: async () => made.length === 0,
    async seed(context) {
      runs.push(context);
      made = Array.from({ length: context.count }, (_, n) => `${name}-${n + 1}`);
      return made;
    },
    ...more,
  };
  return { seeder, runs };
}

async function start(
  seeders: readonly Seeder[],
  config: object = {},
  store = oneStore(),
  signal = new AbortController().signal,
) {
  const { instance, log } = await setUp(plugin, { deps: { store }, config });
  await instance.start({ seeders: seeders.map((value) => ({ plugin: value.name, value })) }, signal);
  return log;
}

describe('the seed plugin', () => {
  it('runs each seeder once, after those that it refers to, with its count and what they made', async () => {
    const order: string[] = [];
    const record = (name: string, after: readonly string[]) =>
      fakeSeeder(name, after, {
        async seed(context) {
          order.push(`${name} ${context.count} [${context.made('users')}]`);
          return Array.from({ length: context.count }, (_, n) => `${name}-${n}`);
        },
      }).seeder;
    await start([record('issues', ['projects', 'users']), record('projects', ['users']), record('users', [])], {
      counts: { users: 2, projects: 1 },
    });
    assert.deepEqual(order, ['users 2 []', 'projects 1 [users-0,users-1]', 'issues 0 [users-0,users-1]']);
  });

  it('makes five of users and of projects, and no relationships, unless told otherwise', async () => {
    const users = fakeSeeder('users');
    const projects = fakeSeeder('projects');
    await start([users.seeder, projects.seeder]);
    assert.deepEqual(
      [...users.runs, ...projects.runs].map(({ count, relationships }) => [count, relationships]),
      [
        [5, false],
        [5, false],
      ],
    );
    const again = fakeSeeder('users');
    await start([again.seeder], { relationships: true });
    assert.equal(again.runs[0]?.relationships, true);
  });

  it('treats a seeder that is not enabled as one that made nothing', async () => {
    const issues = fakeSeeder('issues', ['projects']);
    await start([issues.seeder], { counts: { issues: 1 } });
    assert.deepEqual(issues.runs[0]?.made('projects'), []);
  });

  it('seeds nothing unless every part is empty', async () => {
    const users = fakeSeeder('users');
    const projects = fakeSeeder('projects', ['users'], { isEmpty: async () => false });
    await start([users.seeder, projects.seeder]);
    assert.deepEqual([users.runs.length, projects.runs.length], [0, 0]);
  });

  it('seeds once when eight instances start at the same time, under one lease', async () => {
    const store = oneStore();
    const users = fakeSeeder('users');
    await Promise.all(Array.from({ length: 8 }, () => start([users.seeder], {}, store)));
    assert.equal(users.runs.length, 1);
    assert.deepEqual(new Set(store.names), new Set(['seed']));
    assert.equal(store.names.length, 8);
  });

  it('gives each seeder the same random numbers at every start, whatever else is enabled', async () => {
    const numbers = async (name: string, others: readonly Seeder[]) => {
      const { seeder, runs } = fakeSeeder(name);
      await start([...others, seeder], { counts: {} });
      return Array.from({ length: 20 }, () => runs[0]?.random.integer(1, 1_000_000));
    };
    const users = await numbers('users', []);
    assert.deepEqual(await numbers('users', [fakeSeeder('comments').seeder]), users);
    assert.notDeepEqual(await numbers('projects', []), users);
  });

  it('logs what each seeder made', async () => {
    const log = await start([fakeSeeder('users').seeder], { counts: { users: 3 } });
    assert.deepEqual(log.lines, [{ level: 'info', fields: { seeder: 'users', made: 3 }, message: 'seeded' }]);
  });

  it('warns of a count that no seeder has, but not of the standard ones', async () => {
    const log = await start([], { counts: { users: 5, projects: 5, isues: 3 } });
    assert.deepEqual(
      log.lines.map(({ level, fields }) => [level, fields]),
      [['warn', { count: 'isues', seeders: [] }]],
    );
  });

  it('refuses seeders that wait for each other, or that have one name, by their names', async () => {
    const wait = [fakeSeeder('a', ['b']).seeder, fakeSeeder('b', ['c']).seeder, fakeSeeder('c', ['a']).seeder];
    await assert.rejects(start(wait), /a -> b -> c -> a/);
    await assert.rejects(start([fakeSeeder('a').seeder, fakeSeeder('a').seeder]), /two seeders are named 'a'/);
  });

  it('fails the start when a seeder fails, and runs none after it', async () => {
    const users = fakeSeeder('users', [], {
      seed: async () => {
        throw new Error('the store is away');
      },
    });
    const projects = fakeSeeder('projects', ['users']);
    await assert.rejects(start([users.seeder, projects.seeder]), /the store is away/);
    assert.equal(projects.runs.length, 0);
  });

  it('stops between seeders when the start is called off', async () => {
    const controller = new AbortController();
    const users = fakeSeeder('users', [], {
      seed: async () => {
        controller.abort(new Error('called off'));
        return [];
      },
    });
    const projects = fakeSeeder('projects', ['users']);
    await assert.rejects(start([users.seeder, projects.seeder], {}, oneStore(), controller.signal), /called off/);
    assert.equal(projects.runs.length, 0);
  });

  it('refuses counts that are negative, fractional or above 100000', async () => {
    for (const users of [-1, 1.5, 100_001]) {
      const checked = await plugin.config?.['~standard'].validate({ counts: { users } });
      assert.ok(checked?.issues, String(users));
    }
  });
});
