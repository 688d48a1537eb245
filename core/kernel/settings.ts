import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import type { Document, Node, Pair, Scalar } from 'yaml';
import { isPath, type Layer, type PluginEntry } from './entry.ts';
import { Environment, substitute } from './environment.ts';
import { nearest, type Problem, problem, refuse } from './errors.ts';
import { type GivenText, type Matrix, readVariables, type VariableValues, withVariables } from './variables.ts';

export interface SettingsSource {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The absolute folder that paths in variables are relative to. */
  readonly cwd: string;
  readonly matrix: Matrix;
  /** The names of the built-in plugins. */
  readonly builtins: readonly string[];
  /** Read when it is there; a variable of `env` wins over it. */
  readonly envFile?: string;
}

export interface Settings {
  readonly entries: readonly PluginEntry[];
  /** Every variable of the matrix that is given or has a default. */
  readonly values: VariableValues;
}

/**
 * Turns variables and the file that TRACKER_CONFIG names into the list of enabled plugins, each value with its origin.
 * Weakest first: the matrix's default, the file, a variable that is really set. Throws KernelError with every problem.
 */
export async function readSettings(source: SettingsSource): Promise<Settings> {
  const { matrix, cwd } = source;
  const problems: Problem[] = [];
  const environment = new Environment(source.env, cwd, source.envFile, problems);
  const file = await readFileOf(environment, source, problems);

  const given = new Map<string, GivenText>();
  for (const variable of matrix.variables) {
    const real = variable.secret ? environment.getSecret(variable.name) : environment.get(variable.name);
    const found = real ? { ...real, real: true } : file.variables.get(variable.name);
    if (found) given.set(variable.name, found);
  }
  const { values, problems: bad } = readVariables(matrix.variables, given);
  refuse([...problems, ...bad]);

  const list = new Map<string, PluginEntry>();
  const key = (use: string, base: string) => (!source.builtins.includes(use) && isPath(use) ? resolve(base, use) : use);
  const enable = (entry: PluginEntry & { use: string }, base: string) => {
    const present = list.get(key(entry.use, base));
    list.set(
      key(entry.use, base),
      present ? { ...present, layers: [...present.layers, ...entry.layers] } : { ...entry, base },
    );
  };
  if (file.preset === 'default') for (const one of matrix.plugins(values)) enable({ ...one, layers: [] }, cwd);
  for (const { use, enabled, origin, layers } of file.plugins)
    if (enabled) enable({ use, origin, layers }, file.folder);
    else list.delete(key(use, file.folder));
  const added = values.get('PLUGINS');
  for (const use of String(added?.value ?? '').split(','))
    if (use.trim() !== '') enable({ use: use.trim(), origin: added!.origin, layers: [] }, cwd);
  return { entries: [...list.values()].map((entry) => withVariables(entry, matrix.variables, values)), values };
}

interface FilePlugin {
  readonly use: string;
  readonly enabled: boolean;
  readonly origin: string;
  readonly layers: readonly Layer[];
}

interface SettingsFile {
  /** What relative paths in it are relative to. */
  readonly folder: string;
  readonly preset: 'default' | 'none';
  readonly variables: ReadonlyMap<string, GivenText>;
  readonly plugins: readonly FilePlugin[];
}

async function readFileOf(
  environment: Environment,
  { cwd, matrix }: SettingsSource,
  problems: Problem[],
): Promise<SettingsFile> {
  const named = environment.get('TRACKER_CONFIG');
  const none: SettingsFile = { folder: cwd, preset: 'default', variables: new Map(), plugins: [] };
  if (!named) return none;
  const path = resolve(cwd, named.text);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    problems.push(problem('FILE_UNREADABLE', { where: named.origin, reason: error.code ?? 'error' }));
  });
  if (text === undefined) return none;
  const reader = new FileReader(await import('yaml'), text, `file ${basename(path)}`, environment, problems);
  return { folder: dirname(path), ...reader.read(matrix) };
}

/** Reads the parsed file node by node, so that every problem has a position. */
class FileReader {
  readonly #yaml: typeof import('yaml');
  readonly #document: Document.Parsed;
  readonly #position: (node: Node) => string;
  readonly #problems: Problem[];
  /** Values of the file that came from a secret's file. */
  readonly #secrets: string[] = [];

  constructor(yaml: typeof import('yaml'), text: string, name: string, environment: Environment, problems: Problem[]) {
    const lines = new yaml.LineCounter();
    const at = (offset: number) => `${name}:${lines.linePos(offset).line}`;
    this.#yaml = yaml;
    this.#problems = problems;
    this.#position = (node) => at(node.range?.[0] ?? 0);
    this.#document = yaml.parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
    // The parser's own messages quote the file, and so may quote a secret.
    for (const { code, pos } of [...this.#document.errors, ...this.#document.warnings])
      this.#refuse(at(pos[0]), `is not valid YAML here (${code.toLowerCase().replaceAll('_', ' ')})`);
    yaml.visit(this.#document, {
      Scalar: (key, node) => {
        if (key !== 'key') this.#substitute(node, environment);
      },
    });
  }

  read(matrix: Matrix): Omit<SettingsFile, 'folder'> {
    const top = this.#map(this.#document.contents, 'the file', ['variables', 'plugins', 'preset']);
    const preset = top.get('preset');
    if (preset && preset.text !== 'none' && preset.text !== 'default')
      this.#refuse(preset.where, `'preset' must be none or default`);
    const allowed = matrix.variables.filter((one) => !one.realOnly).map((one) => one.name);
    const variables = new Map<string, GivenText>();
    for (const [name, { text, where, node }] of this.#map(top.get('variables')?.node, `'variables'`, allowed))
      if (text !== undefined) variables.set(name, { text, origin: where, real: false });
      else if (!this.#isNull(node)) this.#refuse(where, `the value of '${name}' must be a text, a number or a switch`);
    return {
      preset: preset?.text === 'none' ? 'none' : 'default',
      variables,
      plugins: this.#list(top.get('plugins')?.node).flatMap((node) => this.#plugin(node) ?? []),
    };
  }

  #plugin(node: Node): FilePlugin | undefined {
    const origin = this.#position(node);
    const fields = this.#map(node, 'an entry of plugins', ['use', 'enabled', 'config']);
    const [use, enabled, config] = [fields.get('use'), fields.get('enabled'), fields.get('config')];
    if (enabled && enabled.text !== 'true' && enabled.text !== 'false')
      this.#refuse(enabled.where, `'enabled' must be true or false`);
    if (config && !this.#yaml.isMap(config.node) && !this.#isNull(config.node))
      this.#refuse(config.where, `'config' must be a map of settings`);
    if (!use?.text) {
      this.#refuse(origin, `an entry of plugins needs 'use': a built-in's name, './file.ts' or a package`);
      return undefined;
    }
    const values = config && this.#yaml.isMap(config.node) ? config.node.toJS(this.#document) : {};
    const written = config?.where ?? origin;
    const originOf = (path: readonly string[]) => this.#placeOf(config?.node, path) ?? written;
    return {
      use: use.text,
      enabled: enabled?.text !== 'false',
      origin,
      layers: [{ origin: written, values, originOf, secrets: this.#secrets }],
    };
  }

  /** Of the key that the path leads to, or the last one on the way that is written here. */
  #placeOf(node: Node | null | undefined, [key, ...below]: readonly string[]): string | undefined {
    if (key === undefined) return undefined;
    if (this.#yaml.isSeq<Node>(node)) {
      const item = node.items[Number(key)];
      return item && (this.#placeOf(item, below) ?? this.#position(item));
    }
    if (!this.#yaml.isMap<Scalar<string>, Node | null>(node)) return undefined;
    const pair = node.items.find((one) => one.key.value === key);
    return pair && (this.#placeOf(pair.value, below) ?? this.#position(pair.key));
  }

  #map(node: Node | null | undefined, what: string, allowed: readonly string[]) {
    const fields = new Map<string, { node: Node; where: string; text: string | undefined }>();
    if (!node || this.#isNull(node)) return fields;
    if (!this.#yaml.isMap(node)) {
      this.#refuse(this.#position(node), `${what} must be a map with the keys: ${allowed.join(', ')}`);
      return fields;
    }
    for (const { key, value } of node.items as Pair<Scalar<string>, Node | null>[]) {
      const where = this.#position(key);
      if (!allowed.includes(key.value)) {
        const near = nearest(key.value, allowed);
        const hint = near ? `did you mean '${near}'?` : `it takes: ${allowed.join(', ')}`;
        this.#refuse(where, `${what} has the unknown key '${key.value}'; ${hint}`);
      } else if (value) fields.set(key.value, { node: value, where, text: this.#text(value) });
    }
    return fields;
  }

  #list(node: Node | undefined): Node[] {
    if (!node || this.#isNull(node)) return [];
    if (this.#yaml.isSeq<Node>(node)) return node.items;
    this.#refuse(this.#position(node), `'plugins' must be a list of { use, enabled, config }`);
    return [];
  }

  #text(node: Node): string | undefined {
    const value: unknown = this.#yaml.isScalar(node) ? node.value : undefined;
    return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
  }

  #isNull(node: Node): boolean {
    return this.#yaml.isScalar(node) && node.value === null;
  }

  #substitute(node: Scalar, environment: Environment): void {
    if (typeof node.value !== 'string' || !node.value.includes('${')) return;
    const text = substitute(node.value, environment, this.#position(node), this.#problems, this.#secrets);
    node.value = node.type === 'PLAIN' ? typed(text) : text;
  }

  #refuse(where: string, what: string): void {
    this.#problems.push(problem('BAD_FILE', { where, what }));
  }
}

/** What an unquoted text would have been, had it been written in place of its variable. */
function typed(text: string): string | number | boolean | null {
  if (text === '' || text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  const number = /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) && String(number) === text ? number : text;
}
