import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { parse } from 'yaml';
import { forbiddenImports, importsOf, sharedDrivers, targetOf } from './support/imports.ts';

const root = join(import.meta.dirname, '..');
const SKIPPED = new Set(['node_modules', '.git', 'dist', 'coverage', 'data', 'gen']);

function* filesUnder(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (entry.isFile()) yield relative(root, path).split(sep).join('/');
  }
}

const all = [...filesUnder(root)];
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const sources = all.filter((file) => /\.[jt]s$/.test(file)).map((file) => [file, read(file)] as const);

/** Where this machine keeps things, and where its packages come from: neither is the same elsewhere. */
const LOCAL = [
  /(?<![\w.}])\/(?:home|root|work|Users|mnt|srv)\/[\w.]+/,
  /\b[A-Z]:\\Users\\/,
  /\bregistry\.[a-z0-9-]+\.[a-z]+/i,
  /\barti[f]actory\b|\bnpm[m]irror\b|\bverda[c]cio\b/i,
];

function localMentions(file: string, text: string): string[] {
  return LOCAL.flatMap((pattern) => {
    const found = pattern.exec(text);
    return found ? [`${file} mentions ${found[0]}`] : [];
  });
}

describe('the architecture', () => {
  it('has files to look at', () => {
    assert.ok(sources.length > 50 && sources.some(([file]) => file.startsWith('plugins/')));
  });

  it('lets each part import only what it may', () => {
    assert.deepEqual(
      sources.flatMap(([file, source]) => forbiddenImports(file, source)),
      [],
    );
  });

  it('keeps each driver in one folder', () => {
    assert.deepEqual(sharedDrivers(sources), []);
  });

  it('keeps the third party’s plugin a third party’s: it knows the package alone, and nothing here knows it', () => {
    const folder = 'test/fixtures/third-party';
    assert.ok(sources.some(([file]) => file.startsWith(folder)));
    const crossing = sources.flatMap(([file, source]) => {
      const own = file.startsWith(folder) ? file.split('/').slice(0, 4).join('/') : undefined;
      const { peerDependencies, dependencies } = own ? JSON.parse(read(`${own}/package.json`)) : {};
      const declared = Object.keys({ 'node:': '', ...peerDependencies, ...dependencies });
      return importsOf(source)
        .map(({ specifier }) => ({ specifier, ...targetOf(file, specifier) }))
        .filter(({ path = '', package: name = '' }) =>
          own ? !path.startsWith(`${own}/`) && !declared.includes(name) : path.startsWith(folder),
        )
        .map(({ specifier }) => `${file} imports ${specifier}`);
    });
    assert.deepEqual(crossing, []);
  });

  it('generates a third party’s code as its own', () => {
    const [own, theirs] = ['buf.gen.yaml', 'proto/plugin.gen.yaml'].map((file) => parse(read(file)).plugins);
    assert.deepEqual(theirs, [{ ...own[0], out: 'src/gen' }]);
  });

  it('gives every plugin a plugin.ts and a README.md', () => {
    const folders = readdirSync(join(root, 'plugins'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const missing = folders.flatMap(({ name }) => {
      // Plugins that share their code stand in one folder, each in a folder in it.
      const hasPlugin = all.some(
        (file) =>
          /^[^/]+(\/[^/]+)?\/plugin\.ts$/.test(relative(`plugins`, file)) && file.startsWith(`plugins/${name}/`),
      );
      const hasReadme = existsSync(join(root, `plugins/${name}/README.md`));
      return [...(hasPlugin ? [] : [`plugins/${name}/plugin.ts`]), ...(hasReadme ? [] : [`plugins/${name}/README.md`])];
    });
    assert.deepEqual(missing, []);
  });

  it('mentions no path of a machine and no host of a registry', () => {
    assert.deepEqual(
      all.flatMap((file) => {
        const text = read(file);
        return text.includes('\0') ? [] : localMentions(file, text);
      }),
      [],
    );
  });
});

describe('the check of the architecture', () => {
  it('finds every kind of import', () => {
    const source = `
      import a from './a.ts';
      import type { B } from './b.ts';
      import { type C,
        d } from "./cd.ts";
      import * as e from './e.ts';
      import './f.ts';
      export * from './g.ts';
      export type { H } from './h.ts';
      export { i } from './i.ts';
      const j = await import('./j.ts'); const k = require("./k.js");
      // import l from './l.ts';
      /* import m from './m.ts'; */
      const n = 'http://x'; export const o = "from './o.ts'";
      import typed from './p.ts';`;
    assert.deepEqual(
      importsOf(source).map(({ specifier, kind }) => `${specifier} ${kind}`),
      [
        './a.ts static',
        './b.ts type',
        './cd.ts static',
        './e.ts static',
        './f.ts static',
        './g.ts static',
        './h.ts type',
        './i.ts static',
        './p.ts static',
        './j.ts dynamic',
        './k.js dynamic',
      ],
    );
  });

  const verdicts: readonly (readonly [file: string, code: string, allowed: boolean])[] = [
    ['core/kernel/boot.ts', `import { plan } from './plan.ts'; `, true],
    ['core/kernel/boot.ts', `import { store } from '../contracts/store.ts';`, false],
    ['core/kernel/boot.ts', `import { createContainer } from 'awilix';`, false],
    ['core/kernel/container.ts', `import { createContainer } from 'awilix';`, true],
    ['core/kernel/settings.ts', `import { parse } from 'yaml';`, true],
    ['core/kernel/load.ts', `import type { X } from '../../plugins/user/plugin.ts';`, false],
    ['core/contracts/users.ts', `import type { User } from '../../proto/gen/user/v1/user.ts';`, true],
    ['core/contracts/users.ts', `import { User } from '../../proto/gen/user/v1/user.ts';`, false],
    ['core/contracts/api.ts', `import type { DescMethod } from '@bufbuild/protobuf';`, true],
    ['core/contracts/api.ts', `import type { Server } from '@grpc/grpc-js';`, false],
    ['core/contracts/x.ts', `import { readFileSync } from 'node:fs';`, false],
    ['core/lib/x.ts', `import { createHash } from 'node:crypto';`, true],
    ['core/lib/x.ts', `import { definePlugin } from '../kernel/index.ts';`, false],
    ['core/lib/x.ts', `import Keyv from 'keyv';`, false],
    ['core/lib/x.ts', `import { Status } from '../../proto/gen/google/rpc/status.ts';`, true],
    ['core/lib/x.ts', `import { Issue } from '../../proto/gen/issue/v1/issue.ts';`, false],
    ['core/testing/x.ts', `import { eq } from '../contracts/query.ts';`, true],
    ['core/testing/x.ts', `import { builtins } from '../../config/builtins.ts';`, true],
    ['core/testing/x.ts', `import memdb from '../../plugins/storage-memdb/plugin.ts';`, false],
    ['core/cli/run.ts', `import { matrix } from '../../config/matrix.ts';`, true],
    ['core/cli/run.ts', `import user from '../../plugins/user/plugin.ts';`, false],
    ['plugins/a/plugin.ts', `import { definePlugin } from '../../core/kernel/index.ts';`, true],
    ['plugins/a/plugin.ts', `import { plan } from '../../core/kernel/plan.ts';`, false],
    ['plugins/a/plugin.ts', `import type { B } from '../b/plugin.ts';`, false],
    ['plugins/a/plugin.ts', `const b = await import('../b/plugin.ts');`, false],
    ['plugins/a/plugin.ts', `import { matrix } from '../../config/matrix.ts';`, false],
    ['plugins/a/parts/x.ts', `import { y } from '../y.ts'; import Koa from 'koa';`, true],
    ['plugins/a/x.ts', `import { cacheConformance } from '../../core/testing/cache-conformance.ts';`, false],
    ['config/matrix.ts', `import type { Matrix } from '../core/kernel/index.ts';`, true],
    ['config/matrix.ts', `import user from '../plugins/user/plugin.ts';`, false],
    ['config/builtins.ts', `export const user = () => import('../plugins/user/plugin.ts');`, true],
    ['config/builtins.ts', `import user from '../plugins/user/plugin.ts';`, false],
    ['config/builtins.ts', `export const sqlite = () => import('../plugins/sql/sqlite/plugin.ts');`, true],
    ['config/builtins.ts', `export const user = () => import('../plugins/user/service.ts');`, false],
    ['test/x.test.ts', `import user from '../plugins/user/plugin.ts';`, true],
  ];
  for (const [file, code, allowed] of verdicts)
    it(`${allowed ? 'allows' : 'refuses'} in ${file}: ${code.trim()}`, () => {
      assert.equal(forbiddenImports(file, code).length, allowed ? 0 : 1);
    });

  it('names the file and the import', () => {
    assert.deepEqual(forbiddenImports('plugins/a/x.ts', `import type { Y } from '../b/y.ts';`), [
      'plugins/a/x.ts imports ../b/y.ts (type)',
    ]);
  });

  it('finds a driver in two folders, and a shared package where it does not belong', () => {
    assert.deepEqual(
      sharedDrivers([
        ['plugins/a/x.ts', `import Koa from 'koa'; `],
        ['plugins/a/y.ts', `import type { Context } from 'koa';`],
        ['plugins/b/z.ts', `import { z } from 'zod';\nimport type { Context } from 'koa/application';`],
        ['core/cli/run.ts', `import { z } from 'zod';`],
        ['test/x.ts', `import Koa from 'koa';`],
      ]),
      [
        'core/cli/run.ts imports zod, which is not for core/cli',
        'koa is imported by plugins/a/y.ts and plugins/b/z.ts',
      ],
    );
  });

  it('finds the path of a machine and the host of a registry', () => {
    const slash = '/';
    for (const text of [
      `see ${slash}home/ann/notes`,
      `"${slash}work/main/x.ts"`,
      `file://${slash}root/.cache`,
      ['https://registry', 'npmjs', 'org/keyv'].join('.'),
    ])
      assert.equal(localMentions('x.md', text).length, 1, text);
    for (const text of ['a/home/b', 'GET /v1/users', 'the registry of plugins.', '/tmp/x', '../root/x.ts'])
      assert.deepEqual(localMentions('x.md', text), [], text);
  });
});
