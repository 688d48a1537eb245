import type { Layer, PluginEntry } from './entry.ts';
import { nearest, type Problem, problem } from './errors.ts';

/** A setting of a plugin that a variable sets, such as `counts.users` of 'seed'. */
export interface Target {
  readonly plugin: string;
  readonly path: readonly string[];
}

interface Described {
  readonly name: string;
  /** As it would be written; absent where the plugin decides. */
  readonly default?: string;
  /** One sentence for the reference. */
  readonly doc: string;
  /** Never shown, and may come from the file that `<NAME>_FILE` names. */
  readonly secret?: boolean;
  /** The settings that it sets, in every plugin that may be enabled. */
  readonly sets?: readonly Target[];
  /** It means nothing in the file's `variables`. */
  readonly realOnly?: boolean;
}

/** A row of the table of variables. */
export type Variable = Described &
  (
    | { readonly kind: 'text' }
    /** Texts with commas between them. */
    | { readonly kind: 'list' }
    | { readonly kind: 'switch' }
    | { readonly kind: 'integer'; readonly min: number; readonly max: number }
    | {
        readonly kind: 'choice';
        readonly choices: readonly string[];
        /** Choices that are known but not built yet. */
        readonly planned?: readonly string[];
      }
  );

/** What is written somewhere, before it is checked. */
export interface GivenText {
  readonly text: string;
  /** 'variable DB_TYPE', 'file tracker.yaml:3'. */
  readonly origin: string;
  /** A variable that is really set; it wins over the file. */
  readonly real: boolean;
}
export type Given = ReadonlyMap<string, GivenText>;

export interface VariableValue {
  readonly value: string | number | boolean | readonly string[];
  readonly origin: string;
  readonly source: 'default' | 'file' | 'variable';
  readonly secret: boolean;
}
export type VariableValues = ReadonlyMap<string, VariableValue>;

/** Which variables there are, and which built-in plugins they enable. */
export interface Matrix {
  readonly variables: readonly Variable[];
  /** Pure. Gets a checked value for every variable that is given or has a default. */
  readonly plugins: (values: VariableValues) => readonly { readonly use: string; readonly origin: string }[];
}

/** Checks what is given against the table. Pure. */
export function readVariables(
  variables: readonly Variable[],
  given: Given,
): { readonly values: VariableValues; readonly problems: readonly Problem[] } {
  const values = new Map<string, VariableValue>();
  const problems: Problem[] = [];
  for (const variable of variables) {
    const found = given.get(variable.name);
    const text = found?.text ?? variable.default;
    if (text === undefined) continue;
    const value = parse(variable, text, found?.origin ?? 'default');
    if (isProblem(value)) problems.push(value);
    else
      values.set(variable.name, {
        value,
        origin: found?.origin ?? 'default',
        source: found === undefined ? 'default' : found.real ? 'variable' : 'file',
        secret: variable.secret ?? false,
      });
  }
  return { values, problems };
}

/** Puts defaults and the file's variables below the entry's own layers, and real variables above them. */
export function withVariables(entry: PluginEntry, variables: readonly Variable[], values: VariableValues): PluginEntry {
  const below: Layer[] = [];
  const above: Layer[] = [];
  for (const variable of variables) {
    const value = values.get(variable.name);
    for (const target of variable.sets ?? []) {
      if (value === undefined || target.plugin !== entry.use) continue;
      const layer = {
        origin: value.origin,
        values: nest(target.path, value.value),
        secrets: value.secret ? [String(value.value)] : [],
      };
      (value.source === 'variable' ? above : below).push(layer);
    }
  }
  // Stable: defaults stay below what the file gives.
  below.sort((a, b) => Number(a.origin !== 'default') - Number(b.origin !== 'default'));
  return { ...entry, layers: [...below, ...entry.layers, ...above] };
}

function nest(path: readonly string[], value: unknown): Record<string, unknown> {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Record<string, unknown>;
}

function isProblem(value: VariableValue['value'] | Problem): value is Problem {
  return typeof value === 'object' && 'code' in value;
}

function parse(variable: Variable, text: string, origin: string): VariableValue['value'] | Problem {
  const where = origin.startsWith(`variable ${variable.name}`) ? origin : `variable ${variable.name} (${origin})`;
  switch (variable.kind) {
    case 'text':
      return text;
    case 'list': {
      const items = text.split(',').map((item) => item.trim());
      return items.includes('')
        ? problem('BAD_CONFIG', { where, what: 'must be a list with commas, and nothing empty in it' })
        : items;
    }
    case 'switch':
      if (/^(true|1|yes|on)$/i.test(text)) return true;
      if (/^(false|0|no|off)$/i.test(text)) return false;
      return problem('BAD_CONFIG', { where, what: `must be true or false` });
    case 'integer': {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= variable.min && value <= variable.max) return value;
      return problem('BAD_CONFIG', { where, what: `must be a whole number from ${variable.min} to ${variable.max}` });
    }
    case 'choice': {
      const { choices, planned = [] } = variable;
      if (choices.includes(text)) return text;
      if (planned.includes(text)) return problem('NOT_BUILT', { where, choice: text, choices });
      return problem('UNKNOWN_CHOICE', { where, choices, near: nearest(text, [...choices, ...planned]) });
    }
  }
}
