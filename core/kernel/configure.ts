import type { Layer, PluginEntry } from './entry.ts';
import { type Problem, problem, reasonOf, refuse } from './errors.ts';
import type { Plan } from './plan.ts';
import type { Plugin } from './plugin.ts';
import type { StandardIssue } from './schema.ts';

/** A plugin's settings, after the layers were merged and its schema has checked them. */
export interface Section {
  /** What the schema returned. */
  readonly config: unknown;
  /** For showing: every value with where it came from, secrets masked. */
  readonly shown: readonly ShownValue[];
  /** The texts that no message may contain. */
  readonly secrets: readonly string[];
}

export interface ShownValue {
  /** 'counts.users' */
  readonly key: string;
  readonly value: string;
  readonly origin: string;
}

type Values = Readonly<Record<string, unknown>>;
type Path = readonly string[];

const MASK = '********';
const SECRET_KEY = /pass(word|phrase)|secret|token|credential|api_?key|private_?key/i;

/** Validates every plugin's section. One error names every problem. */
export async function configure(plan: Plan): Promise<ReadonlyMap<string, Section>> {
  const problems: Problem[] = [];
  const sections = new Map<string, Section>();
  for (const { name, plugin, entry } of plan.plugins) {
    const values = entry.layers.reduce<Values>((merged, layer) => merge(merged, layer.values), {});
    const secrets = secretTexts(plugin, entry, values);
    const result = await validate(plugin, values);
    if ('issues' in result)
      problems.push(...result.issues.map((issue) => explain(plugin, entry, values, issue, secrets)));
    else sections.set(name, { config: result.value, shown: show(plugin, entry, result.value, secrets), secrets });
  }
  refuse(problems);
  return sections;
}

/** Masks the given texts wherever they occur. */
export function scrub(text: string, secrets: readonly string[]): string {
  return secrets.reduce((scrubbed, secret) => scrubbed.replaceAll(secret, MASK), text);
}

async function validate(
  plugin: Plugin,
  values: Values,
): Promise<{ value: unknown } | { issues: readonly StandardIssue[] }> {
  if (plugin.config === undefined) {
    const issues = Object.keys(values).map((key) => ({ message: 'the plugin takes no settings', path: [key] }));
    return issues.length > 0 ? { issues } : { value: {} };
  }
  try {
    const result = await plugin.config['~standard'].validate(values);
    return result.issues ? { issues: result.issues } : { value: result.value };
  } catch (error) {
    return { issues: [{ message: reasonOf(error) }] };
  }
}

function explain(
  plugin: Plugin,
  entry: PluginEntry,
  values: Values,
  issue: StandardIssue,
  secrets: readonly string[],
): Problem {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  const given = get(values, path);
  // A schema's message may quote what it was given; problems never do.
  const message = scrub(withoutValue(issue.message, given), secrets);
  return problem('BAD_CONFIG', {
    plugin: plugin.name,
    where: whereOf(entry.layers, path, issue) ?? `${entry.origin}, not set`,
    what: path.length > 0 ? `'${path.join('.')}': ${message}` : message,
  });
}

function withoutValue(message: string, given: unknown): string {
  // A number, or a letter or two, hides nothing, and may stand in the rule itself: 'must be > 0'.
  if (typeof given !== 'string' || given.length < 3) return message;
  const escaped = given.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return message.replace(new RegExp(`(?<!\\w)${escaped}(?!\\w)`, 'g'), '…');
}

/** Of unknown keys each one's place; zod reports them at the path of the map that they are in, and lists them. */
function whereOf(layers: readonly Layer[], path: Path, issue: StandardIssue): string | undefined {
  const { keys } = issue as { readonly keys?: unknown };
  const places = (Array.isArray(keys) ? keys : []).flatMap((key) => originOf(layers, [...path, String(key)]) ?? []);
  return places.length > 0 ? [...new Set(places)].join(', ') : originOf(layers, path);
}

/** Where the strongest layer says something at or below the path. */
function originOf(layers: readonly Layer[], path: Path): string | undefined {
  const layer = layers.findLast((one) => Object.keys(one.values).length > 0 && get(one.values, path) !== undefined);
  return layer?.originOf?.(path) ?? layer?.origin;
}

function show(plugin: Plugin, entry: PluginEntry, config: unknown, secrets: readonly string[]): ShownValue[] {
  return leaves(config, []).map(({ path, value }) => {
    const layer = entry.layers.findLast((one) => get(one.values, path) !== undefined);
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
    const secret = isSecret(plugin, path) || layer?.secrets?.includes(text);
    return {
      key: path.join('.'),
      value: secret ? MASK : withoutCredentials(scrub(text, secrets)),
      origin: originOf(entry.layers, path) ?? `default of '${plugin.name}'`,
    };
  });
}

function isSecret(plugin: Plugin, path: Path): boolean {
  return plugin.secrets.includes(path[0] ?? '') || path.some((key) => SECRET_KEY.test(key));
}

/** 'postgres://me:hidden@host' without what is hidden in it. */
function withoutCredentials(text: string): string {
  return text.replace(/(\/\/[^/@:\s]*:)[^/@\s]+@/g, `$1${MASK}@`);
}

function secretTexts(plugin: Plugin, entry: PluginEntry, values: Values): string[] {
  const fromSecretKeys = leaves(values, []).filter(({ path }) => isSecret(plugin, path));
  return [...fromSecretKeys.map(({ value }) => String(value)), ...entry.layers.flatMap((layer) => layer.secrets ?? [])]
    .filter((text) => text.length >= 3)
    .sort((a, b) => b.length - a.length);
}

function leaves(value: unknown, path: Path): { path: Path; value: unknown }[] {
  if (isPlain(value) && (Object.keys(value).length > 0 || path.length === 0))
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  return value === undefined ? [] : [{ path, value }];
}

function get(values: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Values)[key] : undefined,
    values,
  );
}

/** Maps are merged key by key; anything else is replaced whole. */
function merge(weak: Values, strong: Values): Values {
  const merged = new Map(Object.entries(weak));
  for (const [key, value] of Object.entries(strong)) {
    const below = merged.get(key);
    merged.set(key, isPlain(below) && isPlain(value) ? merge(below, value) : value);
  }
  // fromEntries defines own properties, so that a key '__proto__' is a key and nothing else.
  return Object.fromEntries(merged);
}

function isPlain(value: unknown): value is Values {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
