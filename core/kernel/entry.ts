import type { Plugin } from './plugin.ts';

/** One source of values for a plugin's section, such as a file or a variable. */
export interface Layer {
  /** Where it was written, in words: 'default', 'variable GRPC_PORT', 'file tracker.yaml:7'. */
  readonly origin: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Where the value at a path of `values` was written, where that is more exact than `origin`. */
  readonly originOf?: (path: readonly string[]) => string;
  /** The texts among its values that are never shown. */
  readonly secrets?: readonly string[];
}

/** One plugin that the configuration enables. */
export interface PluginEntry {
  /** The exact name of a built-in, a path ('./x.ts'), the name of a package, or the plugin itself. */
  readonly use: string | Plugin;
  /** Who enabled it, in words: 'default', 'variable DB_TYPE', 'file tracker.yaml:3', 'variable PLUGINS'. */
  readonly origin: string;
  /** The absolute folder that paths and packages are looked up from; the working directory when absent. */
  readonly base?: string;
  /** Weakest first. */
  readonly layers: readonly Layer[];
}

/** Enables a plugin object, with settings, beside what the configuration enables. */
export function inline(plugin: Plugin, config: Readonly<Record<string, unknown>> = {}): PluginEntry {
  return { use: plugin, origin: 'code', layers: [{ origin: 'code', values: config }] };
}

/** Built-in plugins by name; nothing is imported before it is needed. */
export type Builtins = Readonly<Record<string, () => Promise<{ readonly default: unknown }>>>;

export function nameOf(use: string | Plugin): string {
  return typeof use === 'string' ? use : use.name;
}

/** True for what is written as a file: './x.ts', '../x.js', '/opt/x.js'. */
export function isPath(use: string): boolean {
  return /^(\.{1,2}\/|\/|[A-Za-z]:[\\/])/.test(use);
}
