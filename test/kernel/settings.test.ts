// biome-ignore-all lint/suspicious/noTemplateCurlyInString: what is substituted is written like a template
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { describePlan, type Matrix, prepare, readSettings } from '../../core/kernel/index.ts';
import { problemsOf, tracing } from './support.ts';

const server = tracing([], 'server', {
  config: z.strictObject({
    port: z.number().default(1),
    host: z.string().default('anywhere'),
    limits: z.strictObject({ rows: z.number().default(10), bytes: z.number().default(20) }).prefault({}),
    password: z.string().optional(),
    dsn: z.string().optional(),
    tags: z.array(z.string()).optional(),
    owner: z.strictObject({ id: z.number(), name: z.string() }).optional(),
  }),
  secrets: ['password'],
});
const builtins = {
  server: async () => ({ default: server }),
  extra: async () => ({ default: tracing([], 'extra') }),
};
const matrix: Matrix = {
  variables: [
    {
      name: 'PORT',
      kind: 'integer',
      min: 0,
      max: 65535,
      default: '2',
      doc: '',
      sets: [{ plugin: 'server', path: ['port'] }],
    },
    { name: 'ROWS', kind: 'integer', min: 0, max: 99, doc: '', sets: [{ plugin: 'server', path: ['limits', 'rows'] }] },
    { name: 'PASSWORD', kind: 'text', secret: true, doc: '', sets: [{ plugin: 'server', path: ['password'] }] },
    { name: 'EXTRA', kind: 'switch', default: 'false', doc: '' },
    { name: 'PLUGINS', kind: 'text', doc: '', realOnly: true },
    { name: 'TRACKER_CONFIG', kind: 'text', doc: '', realOnly: true },
  ],
  plugins: (values) => [
    { use: 'server', origin: 'default' },
    ...(values.get('EXTRA')?.value ? [{ use: 'extra', origin: 'variable EXTRA' }] : []),
  ],
};

describe('settings', () => {
  let cwd: string;
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);
  const read = (env: Record<string, string> = {}, yaml?: string) => {
    if (yaml !== undefined) write('t.yaml', yaml);
    return readSettings({
      env: { ...env, ...(yaml !== undefined && { TRACKER_CONFIG: 't.yaml' }) },
      cwd,
      matrix,
      builtins: Object.keys(builtins),
      envFile: join(cwd, '.env'),
    });
  };
  /** What the server gets, and from where. */
  const section = async (env: Record<string, string>, yaml?: string) => {
    const { sections } = await prepare((await read(env, yaml)).entries, builtins);
    const found = sections.get('server')!;
    return {
      config: found.config as Record<string, unknown>,
      from: (key: string) => found.shown.find((one) => one.key === key)?.origin,
    };
  };
  const uses = async (env: Record<string, string>, yaml?: string) =>
    (await read(env, yaml)).entries.map((entry) => entry.use);
  const messages = async (env: Record<string, string>, yaml?: string) =>
    (await problemsOf(() => read(env, yaml))).map((problem) => `${problem.code} ${problem.message}`);

  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'tracker-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));

  describe('layers', () => {
    it('go from the default over the file to a variable that is really set, each with its origin', async () => {
      const yaml = 'plugins:\n  - use: server\n    config:\n      port: 3\n      limits: { bytes: 5 }\n';
      const none = await section({});
      assert.deepEqual([none.config['port'], none.from('port')], [2, 'default']);
      assert.equal(none.from('host'), "default of 'server'");
      const file = await section({}, yaml);
      assert.deepEqual([file.config['port'], file.from('port')], [3, 'file t.yaml:4']);
      const variable = await section({ PORT: '4', ROWS: '6' }, yaml);
      assert.deepEqual([variable.config['port'], variable.from('port')], [4, 'variable PORT']);
      assert.deepEqual(variable.config['limits'], { rows: 6, bytes: 5 });
      assert.deepEqual(
        [variable.from('limits.rows'), variable.from('limits.bytes')],
        ['variable ROWS', 'file t.yaml:5'],
      );
    });

    it('put variables of the file above defaults, below its plugins and below real variables', async () => {
      const yaml = 'variables:\n  PORT: 7\n  EXTRA: true\n';
      const found = await section({}, yaml);
      assert.deepEqual([found.config['port'], found.from('port')], [7, 'file t.yaml:2']);
      assert.equal(
        (await section({}, `${yaml}plugins:\n  - use: server\n    config: { port: 8 }\n`)).config['port'],
        8,
      );
      assert.equal((await section({ PORT: '9' }, yaml)).config['port'], 9);
      assert.deepEqual(await uses({}, yaml), ['server', 'extra']);
      assert.deepEqual(await uses({ EXTRA: 'false' }, yaml), ['server']);
    });

    it('read .env below real variables, and need none', async () => {
      write('.env', 'PORT=5\nROWS=6\n');
      const found = await section({ ROWS: '7' });
      assert.deepEqual([found.config['port'], found.from('port')], [5, 'variable PORT in .env']);
      assert.equal(found.from('limits.rows'), 'variable ROWS');
    });

    it('take an empty variable as not set', async () => {
      assert.equal((await section({ PORT: '' })).config['port'], 2);
    });
  });

  describe('the list of plugins', () => {
    it('is configured, switched off and added to by the file', async () => {
      assert.deepEqual(await uses({}, 'plugins:\n  - use: extra\n'), ['server', 'extra']);
      assert.deepEqual(await uses({}, 'plugins:\n  - use: server\n    enabled: false\n'), []);
      assert.deepEqual(await uses({}, 'preset: none\nplugins:\n  - use: ./mine.ts\n'), ['./mine.ts']);
      assert.deepEqual(await uses({}, ''), ['server']);
    });

    it('is added to by PLUGINS, without doubles', async () => {
      assert.deepEqual(await uses({ PLUGINS: 'extra, ./b.js,server' }), ['server', 'extra', './b.js']);
    });

    it('finds paths of the file beside the file, and paths of PLUGINS in the working directory', async () => {
      mkdirSync(join(cwd, 'etc'));
      write('etc/t.yaml', 'plugins:\n  - use: ./a.ts\n');
      const { entries } = await read({ TRACKER_CONFIG: 'etc/t.yaml', PLUGINS: './a.ts,./etc/a.ts' });
      assert.deepEqual(
        entries.map((entry) => [entry.use, entry.base]),
        [
          ['server', cwd],
          ['./a.ts', join(cwd, 'etc')],
          ['./a.ts', cwd],
        ],
      );
      assert.deepEqual(
        entries.map((entry) => entry.origin),
        ['default', 'file t.yaml:2', 'variable PLUGINS'],
      );
    });
  });

  describe('substitution', () => {
    const config = async (env: Record<string, string>, line: string) =>
      (await section(env, `plugins:\n  - use: server\n    config:\n      ${line}\n`)).config;

    it('puts variables and defaults in, with the type they would have had there', async () => {
      assert.equal((await config({ P: '8' }, 'port: ${P:-9}'))['port'], 8);
      assert.equal((await config({}, 'port: ${P:-9}'))['port'], 9);
      assert.equal((await config({ P: '' }, 'port: ${P:-9}'))['port'], 9);
      assert.equal((await config({ H: '8' }, 'host: "${H}"'))['host'], '8');
      assert.equal((await config({ A: 'x', B: 'y' }, 'host: ${A}-${B}.local'))['host'], 'x-y.local');
      assert.equal((await config({ A: 'true: { x' }, 'host: ${A}'))['host'], 'true: { x');
    });

    it('leaves $${ alone but for one $', async () => {
      assert.equal((await config({ A: 'x' }, 'host: $${A}'))['host'], '${A}');
    });

    it('refuses a variable that is not set, and what it cannot read', async () => {
      assert.match((await messages({}, 'plugins:\n  - use: ${NONE}\n'))[0]!, /^UNSET_VARIABLE file t\.yaml:2 .*NONE/);
      assert.match(
        (await messages({}, 'plugins:\n  - use: ${A-b}\n'))[0]!,
        /^BAD_FILE file t\.yaml:2: write \$\{NAME\}/,
      );
    });
  });

  describe('secrets', () => {
    const plan = async (env: Record<string, string>, yaml?: string) => {
      const { entries, values } = await read(env, yaml);
      return describePlan(await prepare(entries, builtins), matrix.variables, values);
    };

    it('come from the file that NAME_FILE names, without the end of its line', async () => {
      write('secret', 'hunter2\n');
      const found = await section({ PASSWORD_FILE: 'secret' });
      assert.deepEqual([found.config['password'], found.from('password')], ['hunter2', 'variable PASSWORD_FILE']);
      const yaml = 'plugins:\n  - use: server\n    config: { host: "${MY_KEY}" }\n';
      assert.equal((await section({ MY_KEY_FILE: 'secret' }, yaml)).config['host'], 'hunter2');
    });

    it('come from one place only', async () => {
      write('secret', 'hunter2');
      assert.match(
        (await messages({ PASSWORD: 'x', PASSWORD_FILE: 'secret' }))[0]!,
        /^BAD_CONFIG variable PASSWORD and PASSWORD_FILE are both set/,
      );
      assert.match((await messages({ PASSWORD_FILE: 'none' }))[0]!, /^FILE_UNREADABLE variable PASSWORD_FILE/);
    });

    it('are masked in the plan, whatever they came by', async () => {
      write('secret', 'hunter2');
      const line = (key: string, value: string) => `plugins:\n  - use: server\n    config: { ${key}: "${value}" }\n`;
      for (const text of [
        await plan({ PASSWORD: 'hunter2' }),
        await plan({ PASSWORD_FILE: 'secret' }),
        await plan({}, line('password', 'hunter2')),
        await plan({ MY_KEY_FILE: 'secret' }, line('host', '${MY_KEY}')),
        await plan({ MY_KEY_FILE: 'secret' }, line('dsn', 'x=${MY_KEY};y=1')),
        await plan({}, line('dsn', 'postgres://me:hunter2@db/x')),
      ]) {
        assert.doesNotMatch(text, /hunter2/);
        assert.match(text, /\*{8}/);
      }
      assert.match(await plan({ PASSWORD: 'pw' }), / password = \*{8} /);
    });
  });

  describe('the file', () => {
    const cases: [what: string, yaml: string, says: RegExp][] = [
      [
        'an unknown key',
        'plugins: []\nvariable: {}\n',
        /^BAD_FILE file t\.yaml:2: .*'variable'; did you mean 'variables'/,
      ],
      [
        'an unknown key of an entry',
        'plugins:\n  - use: server\n    confg: {}\n',
        /t\.yaml:3: .*'confg'; did you mean 'config'/,
      ],
      ['an unknown variable', 'variables:\n  PROT: 1\n', /t\.yaml:2: .*'PROT'; did you mean 'PORT'/],
      ['a variable that is not for the file', 'variables:\n  PLUGINS: a\n', /t\.yaml:2: .*unknown key 'PLUGINS'/],
      ['a variable that is a list', 'variables:\n  PORT: [1]\n', /t\.yaml:2: .*'PORT' must be/],
      [
        'a bad value of a variable',
        'variables:\n  PORT: many\n',
        /^BAD_CONFIG variable PORT \(file t\.yaml:2\) must be a whole/,
      ],
      ['an entry without use', 'plugins:\n  - enabled: true\n', /t\.yaml:2: .*needs 'use'/],
      ['an entry that is a text', 'plugins:\n  - server\n', /t\.yaml:2: .*must be a map/],
      ['plugins that are no list', 'plugins: server\n', /t\.yaml:1: 'plugins' must be a list/],
      ['enabled that is no switch', 'plugins:\n  - use: server\n    enabled: 3\n', /t\.yaml:3: 'enabled' must be/],
      ['config that is no map', 'plugins:\n  - use: server\n    config: 3\n', /t\.yaml:3: 'config' must be/],
      ['an unknown preset', 'preset: all\n', /t\.yaml:1: 'preset' must be none or default/],
      ['a list in place of a map', '- a\n', /t\.yaml:1: the file must be a map/],
      [
        'a key that is there twice',
        'preset: none\npreset: none\n',
        /t\.yaml:2: is not valid YAML here \(duplicate key\)/,
      ],
      ['a broken quote', 'preset: "hunter2\n', /is not valid YAML/],
    ];
    for (const [what, yaml, says] of cases)
      it(`is refused for ${what}, with the line`, async () => {
        const found = await messages({}, yaml);
        assert.match(found.join('\n'), says);
        assert.doesNotMatch(found.join('\n'), /hunter2/);
      });

    it('has all its problems named at once, with those of the variables', async () => {
      const found = await problemsOf(() => read({ ROWS: 'x' }, 'prest: none\nplugins:\n  - user: server\n'));
      assert.deepEqual(
        found.map((problem) => problem.code),
        ['BAD_FILE', 'BAD_FILE', 'BAD_FILE', 'BAD_CONFIG'],
      );
    });

    it('must exist when it is named', async () => {
      assert.match(
        (await messages({ TRACKER_CONFIG: 'none.yaml' }))[0]!,
        /^FILE_UNREADABLE variable TRACKER_CONFIG .*ENOENT/,
      );
    });
  });

  describe('that a plugin refuses', () => {
    const refused = async (env: Record<string, string>, config: string) => {
      const { entries } = await read(env, `plugins:\n  - use: server\n    config:\n${config}`);
      return (await problemsOf(() => prepare(entries, builtins))).map(({ message }) => message);
    };

    it('are named with the line of the key, whatever else sets the plugin', async () => {
      for (const env of [{}, { PORT: '4', ROWS: '5' }]) {
        const [first, second] = await refused(env, '      host: here\n      prot: 3\n      limits:\n        row: 1\n');
        assert.match(first!, /'limits': .*"row".* \(file t\.yaml:7\)$/);
        assert.match(second!, /: Unrecognized key: "prot" \(file t\.yaml:5\)$/);
      }
    });

    it('are named with the line of each key where a message is about several', async () => {
      const [first] = await refused({ PORT: '4' }, '      prot: 3\n      ghost:\n        a: 1\n');
      assert.match(first!, /"prot", "ghost" \(file t\.yaml:4, file t\.yaml:5\)$/);
    });

    it('are named with the line of the value, in lists too, and of the map where a value is missing', async () => {
      const [wrong, missing] = await refused(
        {},
        '      tags:\n        - a\n        - 2\n      owner:\n        id: 1\n',
      );
      assert.match(wrong!, /'tags\.1': .* \(file t\.yaml:6\)$/);
      assert.match(missing!, /'owner\.name': .* \(default, not set\)$/);
    });
  });

  it('of an absent value stop nothing: `enabled:` and `config:` may be left empty', async () => {
    assert.deepEqual(await uses({}, 'variables:\nplugins:\n  - use: extra\n    config:\n'), ['server', 'extra']);
  });

  it('define a key named __proto__ as a key and nothing else', async () => {
    const { entries } = await read({}, 'plugins:\n  - use: server\n    config: { __proto__: { polluted: 1 } }\n');
    const problems = await problemsOf(() => prepare(entries, builtins));
    assert.match(problems[0]!.message, /__proto__/);
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });
});
