import { posix } from 'node:path';

export interface Import {
  readonly specifier: string;
  /** 'type' leaves nothing at run time; 'dynamic' is `import()`. */
  readonly kind: 'static' | 'type' | 'dynamic';
}

// Strings are matched so that what looks like a comment inside one stays.
const COMMENT_OR_STRING = /(\/\*[\s\S]*?\*\/|\/\/.*)|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
const STATIC = /^[ \t]*(?:import|export)\s+(type\s+(?=[\w*{]))?(?:[\w*{][^'"`;=()]*?\bfrom\s*)?['"]([^'"\n]+)['"]/gm;
const DYNAMIC = /\b(?:import|require)\s*\(\s*['"`]([^'"`\n$]+)['"`]/g;

/** What a TypeScript or JavaScript source imports. `import { type A }` counts as static: it still loads the module. */
export function importsOf(source: string): Import[] {
  const code = source.replace(COMMENT_OR_STRING, (text, comment) => (comment === undefined ? text : ' '));
  return [
    ...[...code.matchAll(STATIC)].map(
      ([, type, specifier]): Import => ({ specifier: specifier as string, kind: type ? 'type' : 'static' }),
    ),
    ...[...code.matchAll(DYNAMIC)].map(
      ([, specifier]): Import => ({ specifier: specifier as string, kind: 'dynamic' }),
    ),
  ];
}

/** What a specifier in a file means: a path in the repository, or a package, or node: and a module. */
export function targetOf(file: string, specifier: string): { readonly path?: string; readonly package?: string } {
  if (specifier.startsWith('.')) return { path: posix.join(posix.dirname(file), specifier) };
  if (specifier.startsWith('node:')) return { package: 'node:' };
  return {
    package: specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/'),
  };
}

/** The part of the house that a file belongs to: 'core/kernel', 'plugins/user', 'config' ... */
export function folderOf(file: string): string {
  const [top = '', second = ''] = file.split('/');
  return top === 'core' || top === 'plugins' ? `${top}/${second}` : top;
}

const under = (path: string, ...folders: readonly string[]) => folders.some((folder) => path.startsWith(`${folder}/`));

type Rule = (file: string, of: Import, target: { readonly path: string; readonly package: string }) => boolean;

const contracts: Rule = (_file, { kind }, { path, package: name }) =>
  path === 'core/kernel/plugin.ts' ||
  under(path, 'core/contracts', 'core/lib') ||
  (kind === 'type' && (under(path, 'core/kernel', 'proto') || name === '@bufbuild/protobuf'));

/** What each part may import; a part that is not here may import anything. */
const rules: Readonly<Record<string, Rule>> = {
  'core/kernel': (file, _of, { path, package: name }) =>
    under(path, 'core/kernel') ||
    name === 'node:' ||
    (file === 'core/kernel/container.ts' && name === 'awilix') ||
    (file === 'core/kernel/settings.ts' && name === 'yaml'),
  'core/contracts': contracts,
  'core/lib': (file, of, target) =>
    contracts(file, of, target) || target.package === 'node:' || under(target.path, 'proto/gen/google/rpc'),
  'core/testing': (_file, _of, { path, package: name }) =>
    under(path, 'core/kernel', 'core/contracts', 'core/lib', 'core/testing') ||
    ['node:', 'fast-check'].includes(name) ||
    // A plugin is tested in the tracker as its configuration makes it.
    ['core/cli/configuration.ts', 'config/builtins.ts'].includes(path),
  'core/cli': (_file, _of, { path, package: name }) => under(path, 'core', 'config', 'proto/gen') || name !== '',
  config: (file, { kind }, { path, package: name }) =>
    under(path, 'config') ||
    name === 'node:' ||
    (kind === 'type' && under(path, 'core/kernel')) ||
    (kind === 'dynamic' && file === 'config/builtins.ts' && /^plugins\/[^/]+(\/[^/]+)?\/plugin\.ts$/.test(path)),
  plugins: (file, _of, { path, package: name }) =>
    path === 'core/kernel/index.ts' ||
    path === 'proto/descriptors.ts' ||
    under(path, 'core/contracts', 'core/lib', 'proto/gen', folderOf(file)) ||
    name !== '',
};

/** The imports of a file that its part of the house may not have: 'plugins/a/x.ts imports ../b/y.ts'. */
export function forbiddenImports(file: string, source: string): string[] {
  const folder = folderOf(file);
  const rule = rules[folder] ?? rules[folder.split('/')[0] as string];
  if (!rule) return [];
  return importsOf(source)
    .filter((of) => {
      const { path = '', package: name = '' } = targetOf(file, of.specifier);
      return !rule(file, of, { path, package: name });
    })
    .map(({ specifier, kind }) => `${file} imports ${specifier}${kind === 'static' ? '' : ` (${kind})`}`);
}

/** Packages that several folders may import. */
const SHARED: Readonly<Record<string, (folder: string) => boolean>> = {
  zod: (folder) => folder.startsWith('plugins/'),
  // The servers', and the command's as a client of a running one.
  '@grpc/grpc-js': (folder) => ['plugins/grpc', 'core/cli'].includes(folder),
  '@bufbuild/protobuf': (folder) =>
    ['plugins/api', 'plugins/grpc', 'plugins/rest', 'plugins/transport-kafka', 'core/contracts'].includes(folder),
};

/** Packages imported from more than one folder of core, plugins and config: 'koa is imported by plugins/a/x.ts and plugins/b/y.ts'. */
export function sharedDrivers(files: Iterable<readonly [file: string, source: string]>): string[] {
  const homes = new Map<string, Map<string, string>>();
  const problems: string[] = [];
  for (const [file, source] of files) {
    const folder = folderOf(file);
    if (!/^(core|plugins|config)\b/.test(folder)) continue;
    for (const { specifier } of importsOf(source)) {
      const name = targetOf(file, specifier).package;
      if (name === undefined || name === 'node:') continue;
      const shared = SHARED[name];
      if (shared && !shared(folder)) problems.push(`${file} imports ${name}, which is not for ${folder}`);
      else if (!shared) homes.set(name, (homes.get(name) ?? new Map()).set(folder, file));
    }
  }
  for (const [name, folders] of homes)
    if (folders.size > 1) problems.push(`${name} is imported by ${[...folders.values()].sort().join(' and ')}`);
  return problems;
}
