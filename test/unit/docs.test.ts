import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { builtins } from '../../config/builtins.ts';
import type { Plugin, Point, Token } from '../../core/kernel/index.ts';

const root = join(import.meta.dirname, '../..');
const page = (name: string) => readFileSync(join(root, 'docs/reference', name), 'utf8');

/** The cells of the tables of a text, without their quotes; heads and rules left out. */
function rowsOf(text: string): string[][] {
  return [...text.matchAll(/^\| (`.*) \|$/gm)].map(([, row = '']) =>
    row.split('|').map((cell) => cell.replaceAll('`', '').trim()),
  );
}

function modulesOf(folder: string): string[] {
  return readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .sort();
}

interface Declared {
  readonly name: string;
  readonly file: string;
  readonly declared: Token<unknown> | Point<unknown>;
}

async function declaredByContracts(): Promise<Declared[]> {
  const found: Declared[] = [];
  for (const file of modulesOf('core/contracts')) {
    const exported: Record<string, unknown> = await import(`../../core/contracts/${file}.ts`);
    for (const [name, value] of Object.entries(exported))
      if (['token', 'point'].includes((value as { kind?: string } | null)?.kind ?? ''))
        found.push({ name, file, declared: value as Declared['declared'] });
  }
  return found;
}

describe('docs/reference/points.md', () => {
  const [tokens = '', points = ''] = page('points.md').split('## Points');
  let declared: Declared[];
  let plugins: Plugin[];
  before(async () => {
    declared = await declaredByContracts();
    plugins = await Promise.all(Object.values(builtins).map(async (load) => (await load()).default as Plugin));
  });

  const owners = (part: 'provides' | 'collects', id: string) =>
    plugins
      .filter((plugin) => Object.values(plugin[part]).some((each) => each.id === id))
      .map(({ name }) => name)
      .sort()
      .join(', ');

  it('has every token, with its provider and its file', () => {
    const expected = declared.flatMap(({ name, file, declared: { kind, id } }) =>
      kind === 'token' ? [[name, id, owners('provides', id), file]] : [],
    );
    assert.deepEqual(
      rowsOf(tokens).map((row) => row.slice(0, 4)),
      expected.sort(),
    );
  });

  it('has every point, with its reader, its order and its file', () => {
    const expected = declared.flatMap(({ name, file, declared: each }) =>
      each.kind === 'point' ? [[name, each.id, owners('collects', each.id), each.order, file]] : [],
    );
    assert.deepEqual(
      rowsOf(points).map((row) => row.slice(0, 5)),
      expected.sort(),
    );
  });
});

describe('docs/reference/contracts.md', () => {
  const [, contracts = '', lib = '', testing = ''] = page('contracts.md').split(/^## /m);
  const firstCells = (text: string) => rowsOf(text).map(([cell]) => cell);

  it('has every contract', () => {
    assert.deepEqual(firstCells(contracts).sort(), modulesOf('core/contracts'));
  });

  it('has what a plugin may use of core/lib, and what is a part of that', () => {
    const parts = ['filter-lexer', 'filter-values', 'filter-where'];
    assert.deepEqual([...firstCells(lib), ...parts].sort(), modulesOf('core/lib'));
  });

  it('has every suite', () => {
    assert.deepEqual([...firstCells(testing), 'suite', 'tracker'].sort(), modulesOf('core/testing'));
  });
});

describe('the documents', () => {
  const pages = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`);

  it('are all in the index', () => {
    const index = readFileSync(join(root, 'docs/README.md'), 'utf8');
    const missing = pages.filter((file) => file !== 'docs/README.md' && !index.includes(`(${file.slice(5)})`));
    assert.deepEqual(missing, []);
  });

  it('link to what is there', () => {
    const broken = ['README.md', ...pages].flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...text.matchAll(/\]\((?!https?:)([^)#\s]+)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(join(root, dirname(file), target)))
        .map((target) => `${file}: ${target}`);
    });
    assert.deepEqual(broken, []);
  });
});
