import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import {
  type Builtins,
  boot,
  definePlugin,
  inline,
  type Matrix,
  type Plugin,
  type PluginEntry,
  PROBLEMS,
  type Problem,
  type ProblemCode,
  point,
  prepare,
  readSettings,
  token,
} from '../../core/kernel/index.ts';
import { load } from '../../core/kernel/load.ts';
import { bootPlugins, never, problemsOf, recorder, tracing } from './support.ts';

const HIDDEN = 'a-configured-value';
const fixtures = join(import.meta.dirname, '../fixtures/plugins');
const service = token<object>('service');
const place = point<string>('place');
const make = (name: string, spec: Parameters<typeof tracing>[2] = {}) => tracing([], name, spec);
const use = (path: string): PluginEntry => ({ use: path, origin: 'a test', base: fixtures, layers: [] });
const booted = (...plugins: Plugin[]) => problemsOf(() => bootPlugins(plugins));
const prepared = (entries: PluginEntry[], builtins: Builtins = {}) => problemsOf(() => prepare(entries, builtins));
const stopped = async (plugin: Plugin) => (await (await bootPlugins([plugin])).stop()).problems;
const fails = () => {
  throw new Error('a reason');
};
// biome-ignore lint/suspicious/noExplicitAny: a plugin in JavaScript, which no compiler holds back
const plain = (name: string, setup: (context: any) => any, spec: object = {}) =>
  definePlugin({ name, kernel: '^1.0.0', setup, ...spec });

const matrix: Matrix = {
  variables: [
    { name: 'DB', kind: 'choice', choices: ['memdb'], planned: ['postgres'], default: 'memdb', doc: '' },
    { name: 'PORT', kind: 'integer', min: 0, max: 9, doc: '' },
    { name: 'SECRET', kind: 'text', secret: true, doc: '' },
  ],
  plugins: () => [],
};
const settings = (env: Record<string, string>, cwd = fixtures) =>
  problemsOf(() => readSettings({ env, cwd, matrix, builtins: [] }));
async function file(text: string): Promise<readonly Problem[]> {
  const cwd = mkdtempSync(join(tmpdir(), 'tracker-'));
  try {
    writeFileSync(join(cwd, 'x.yaml'), text);
    return await settings({ TRACKER_CONFIG: 'x.yaml' }, cwd);
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** How each problem comes about, and what its message must say. */
const scenarios: Record<ProblemCode, { produce: () => Promise<readonly Problem[]>; says: RegExp }> = {
  FILE_UNREADABLE: {
    produce: () => settings({ SECRET_FILE: HIDDEN }),
    says: /^variable SECRET_FILE names a file that cannot be read \(ENOENT\)/,
  },
  BAD_FILE: {
    produce: () => file(`plugins: []\nplugin: ${HIDDEN}`),
    says: /^file x\.yaml:2: .*unknown key 'plugin'; did you mean 'plugins'\?/,
  },
  UNSET_VARIABLE: {
    produce: () => file('plugins:\n  - use: $' + '{NOWHERE}'),
    says: /^file x\.yaml:2 refers to the variable NOWHERE.*\$\{NOWHERE:-default\}/,
  },
  UNKNOWN_CHOICE: {
    produce: () => settings({ DB: 'postgre' }),
    says: /^variable DB .*choose one of: memdb; did you mean 'postgres'\?/,
  },
  NOT_BUILT: {
    produce: () => settings({ DB: 'postgres' }),
    says: /^variable DB: 'postgres' is not built yet; choose one of: memdb$/,
  },
  BAD_CONFIG: { produce: () => settings({ PORT: HIDDEN }), says: /^variable PORT must be a whole number from 0 to 9$/ },
  NOT_FOUND: {
    produce: () => prepared([use('grcp')], { grpc: never }),
    says: /'grcp' \(a test\).*did you mean 'grpc'\?/,
  },
  IMPORT_FAILED: {
    produce: () => prepared([use('./breaks.ts')]),
    says: /'\.\/breaks\.ts' \(a test\).*broken on import/,
  },
  NOT_A_PLUGIN: { produce: () => prepared([use('./not-a-plugin.ts')]), says: /'\.\/not-a-plugin\.ts' \(a test\)/ },
  BAD_NAME: { produce: () => booted(make('Bad Name')), says: /'Bad Name' \(code\)/ },
  KERNEL_RANGE: {
    produce: () => booted(make('a', { kernel: '^2.0.0' })),
    says: /'a' .*'\^2\.0\.0', and this is 1\.0\.0/,
  },
  DUPLICATE_PLUGIN: { produce: () => booted(make('a'), make('a')), says: /2 plugins are named 'a' \(code; code\)/ },
  MISSING_PROVIDER: {
    produce: () =>
      prepared([inline(make('a', { requires: { service } }))], {
        near: async () => ({ default: make('near', { provides: { service } }) }),
        other: async () => ({ default: make('other') }),
      }),
    says: /'a' requires 'service'.*enable one of: 'near'$/,
  },
  TWO_PROVIDERS: {
    produce: () => booted(make('a', { provides: { service } }), make('b', { provides: { service } })),
    says: /'service' is provided by 'a' \(code\) and 'b' \(code\)/,
  },
  TWO_COLLECTORS: {
    produce: () => booted(make('a', { collects: { place } }), make('b', { collects: { place } })),
    says: /'place' are collected by 'a' \(code\) and 'b' \(code\)/,
  },
  POINT_MISMATCH: {
    produce: () =>
      booted(make('a', { collects: { place } }), make('b', { contributes: { at: point('place', 'collector-last') } })),
    says: /'a' \(code\) and 'b' \(code\) declare the point 'place'/,
  },
  CYCLE: {
    produce: () => booted(make('a', { provides: { service }, requires: { service } })),
    says: /'a' requires 'service' of 'a'/,
  },
  SETUP_FAILED: {
    produce: () => booted(make('a', { onSetup: fails })),
    says: /'a' \(code\) failed in setup: a reason/,
  },
  START_FAILED: {
    produce: () => booted(make('a', { onStart: fails })),
    says: /'a' \(code\) failed to start: a reason/,
  },
  PORT_TAKEN: {
    async produce() {
      const holder = createServer();
      await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
      const { port } = holder.address() as { port: number };
      const entry = { ...use('./listens.ts'), layers: [{ origin: 'a test', values: { port } }] };
      try {
        return await problemsOf(() => boot({ entries: [entry], log: recorder().log }));
      } finally {
        holder.close();
      }
    },
    says: /'listens' cannot listen on port \d+ \(a test\), .* by another program or by another plugin/,
  },
  MISSING_SERVICE: {
    produce: () => booted(make('a', { provides: { service } })),
    says: /'a' \(code\) promised 'service'.*provides\.service/,
  },
  UNDECLARED_SERVICE: {
    produce: () => booted(plain('a', () => ({ provides: { extra: 1 } }))),
    says: /'a' \(code\) returned the service 'extra'/,
  },
  UNDECLARED_DEPENDENCY: {
    produce: () => booted(plain('a', ({ deps }) => deps.store)),
    says: /'a' \(code\) uses deps\.store/,
  },
  UNDECLARED_POINT: {
    produce: () => booted(plain('a', ({ contribute }) => contribute.tables())),
    says: /'a' \(code\) uses contribute\.tables/,
  },
  LATE_CONTRIBUTION: {
    produce: () =>
      booted(plain('a', ({ contribute }) => ({ start: () => contribute.place('x') }), { contributes: { place } })),
    says: /'a' \(code\) called contribute\.place after its setup/,
  },
  LATE_DEFER: {
    async produce() {
      // biome-ignore lint/suspicious/noExplicitAny: as above
      let kept: any;
      await bootPlugins([
        plain('a', ({ defer }) => {
          kept = defer;
        }),
      ]);
      return problemsOf(() => kept('pool', () => {}));
    },
    says: /'a' \(code\) deferred 'pool' after/,
  },
  TIMED_OUT: {
    produce: () => booted(make('a', { deadlines: { setup: 10 }, onSetup: never })),
    says: /'a' \(code\) did not finish its setup within 10 ms/,
  },
  CALLED_OFF: {
    produce: () => problemsOf(() => bootPlugins([make('a')], { signal: AbortSignal.abort('SIGTERM') })),
    says: /by SIGTERM/,
  },
  DRAIN_FAILED: {
    produce: () => stopped(make('a', { onDrain: fails })),
    says: /'a' \(code\) failed to drain: a reason/,
  },
  RELEASE_FAILED: {
    produce: () => stopped(make('a', { onRelease: fails })),
    says: /'a' \(code\) failed to release 'a': a reason/,
  },
};

describe('each problem', () => {
  for (const [code, { produce, says }] of Object.entries(scenarios))
    it(`${code} says who, what and where, and never a configured value`, async () => {
      const problems = await produce();
      assert.deepEqual(
        problems.map((problem) => problem.code),
        [code],
      );
      assert.match(problems[0]!.message, says);
      assert.ok(!problems[0]!.message.includes(HIDDEN), problems[0]!.message);
      assert.ok(!problems[0]!.message.includes('\n'));
    });

  it('has exactly one row in docs/reference/errors.md, in the order of the table', () => {
    const text = readFileSync(join(import.meta.dirname, '../../docs/reference/errors.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `([A-Z_]+)` \|/gm)].map((match) => match[1]);
    assert.deepEqual(rows, Object.keys(PROBLEMS));
  });

  it('of a schema is told without the value, also when the schema quotes it', async () => {
    const quotes = make('a', {
      config: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value) => ({
            issues: [{ message: `expected a number, was "${(value as { port: string }).port}"`, path: ['port'] }],
          }),
        },
      },
    });
    const [problem] = await prepared([inline(quotes, { port: HIDDEN })]);
    assert.equal(problem?.message, `plugin 'a' refuses its settings: 'port': expected a number, was "…" (code)`);
  });

  it('of a section names the layer that the value came from', async () => {
    const plugin = make('a', { config: z.strictObject({ port: z.number(), host: z.string() }) });
    const layers = [
      { origin: 'file x.yaml:3', values: { port: 1 } },
      { origin: 'variable PORT', values: { port: 'x' } },
      { origin: 'file x.yaml:4', values: { prot: 1 } },
    ];
    const problems = await prepared([{ use: plugin, origin: 'default', layers }]);
    assert.deepEqual(
      problems.map((problem) => /\(([^(]*)\)$/.exec(problem.message)?.[1]),
      ['variable PORT', 'default, not set', 'file x.yaml:4'],
    );
  });

  it('of loading is reported together with all others', async () => {
    const problems = await prepared([use('./breaks.ts'), use('nothing'), use('./not-a-plugin.ts'), inline(make('B'))]);
    assert.deepEqual(
      problems.map((problem) => problem.code),
      ['IMPORT_FAILED', 'NOT_FOUND', 'NOT_A_PLUGIN', 'BAD_NAME'],
    );
  });

  it('of an import that never ends is a deadline', async () => {
    const [problem] = await problemsOf(() => load([use('stuck')], { stuck: never }, 10));
    assert.equal(problem?.code, 'TIMED_OUT');
  });
});
