import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inRange, load } from '../../core/kernel/load.ts';
import { codesOf, tracing } from './support.ts';

const kernel = pathToFileURL(join(import.meta.dirname, '../../core/kernel/plugin.ts')).href;
const source = (name: string) =>
  `import { definePlugin } from '${kernel}';\nexport default definePlugin({ name: '${name}', kernel: '^1.0.0', setup() {} });\n`;

describe('load', () => {
  let base: string;
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    writeFileSync(join(base, path), text);
  };
  const loadOne = async (use: string, builtins = {}) =>
    (await load([{ use, origin: 'a test', base, layers: [] }], builtins))[0]?.plugin.name;

  before(() => {
    base = mkdtempSync(join(tmpdir(), 'tracker-'));
  });
  after(() => rmSync(base, { recursive: true }));

  it('takes an exact built-in name as the built-in, also where a package has that name', async () => {
    write('node_modules/grpc/index.mjs', source('package'));
    write('node_modules/grpc/package.json', '{"name":"grpc","main":"index.mjs"}');
    const builtin = async () => ({ default: tracing([], 'builtin') });
    assert.equal(await loadOne('grpc', { grpc: builtin }), 'builtin');
    assert.equal(await loadOne('grpc'), 'package');
  });

  it('takes a path relative to the folder it was written in', async () => {
    write('mine.ts', source('mine'));
    assert.equal(await loadOne('./mine.ts'), 'mine');
    assert.deepEqual(await codesOf(() => loadOne('./other.ts')), ['NOT_FOUND']);
  });

  it('takes any other name as a package, literally', async () => {
    write('node_modules/issue-tracker-plugin-x/index.mjs', source('x'));
    write('node_modules/issue-tracker-plugin-x/package.json', '{"name":"issue-tracker-plugin-x","main":"index.mjs"}');
    assert.equal(await loadOne('issue-tracker-plugin-x'), 'x');
    assert.deepEqual(await codesOf(() => loadOne('x')), ['NOT_FOUND']);
  });

  it('finds a package that can only be imported', async () => {
    write('node_modules/@them/modern/lib/index.js', source('modern'));
    write(
      'node_modules/@them/modern/package.json',
      '{"name":"@them/modern","type":"module","exports":{".":{"import":{"default":"./lib/index.js"}}}}',
    );
    assert.equal(await loadOne('@them/modern'), 'modern');
  });

  it('says so when a package has nothing to import', async () => {
    write('node_modules/closed/package.json', '{"name":"closed","exports":{"./other":"./other.js"}}');
    assert.deepEqual(await codesOf(() => loadOne('closed')), ['NOT_FOUND']);
  });

  it('refuses a plugin of another major version of the contract', async () => {
    const foreign = { ...tracing([], 'foreign'), [Symbol.for('issue-tracker.plugin')]: '2.0.0' };
    const builtins = { foreign: async () => ({ default: foreign }) };
    assert.deepEqual(await codesOf(() => loadOne('foreign', builtins)), ['KERNEL_RANGE']);
  });

  it('imports all at the same time', async () => {
    const both = Promise.withResolvers<void>();
    let begun = 0;
    const waits = (name: string) => async () => {
      if (++begun === 2) both.resolve();
      await both.promise;
      return { default: tracing([], name) };
    };
    const entries = ['a', 'b'].map((use) => ({ use, origin: 'a test', layers: [] }));
    assert.equal((await load(entries, { a: waits('a'), b: waits('b') })).length, 2);
  });
});

describe('a kernel range', () => {
  const cases: [version: string, range: string, fits: boolean][] = [
    ['1.0.0', '^1.0.0', true],
    ['1.4.2', '^1.0.0', true],
    ['1.4.2', '^1.4.2', true],
    ['1.4.2', '^1.4.3', false],
    ['1.4.2', '^1.5.0', false],
    ['2.0.0', '^1.9.9', false],
    ['1.0.0', '^2.0.0', false],
    ['0.2.5', '^0.2.3', true],
    ['0.3.0', '^0.2.3', false],
    ['0.0.3', '^0.0.3', true],
    ['0.0.4', '^0.0.3', false],
    ['1.4.9', '~1.4.2', true],
    ['1.5.0', '~1.4.2', false],
    ['1.4.1', '~1.4.2', false],
    ['1.4.2', '1.4.2', true],
    ['1.4.3', '1.4.2', false],
    ['1.0.0', '*', false],
    ['1.0.0', '>=1.0.0', false],
    ['1.0.0', '', false],
  ];
  for (const [version, range, fits] of cases)
    it(`'${range}' ${fits ? 'fits' : 'does not fit'} ${version}`, () => assert.equal(inRange(version, range), fits));
});
