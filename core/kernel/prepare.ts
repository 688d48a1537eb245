import { configure, type Section } from './configure.ts';
import type { Builtins, PluginEntry } from './entry.ts';
import { KernelError } from './errors.ts';
import { type Loaded, load } from './load.ts';
import { type Plan, plan } from './plan.ts';
import { isPlugin } from './plugin.ts';

/** What is known before anything is opened. */
export interface Prepared {
  readonly plan: Plan;
  /** By plugin name. */
  readonly sections: ReadonlyMap<string, Section>;
}

/** Loads, plans and configures; opens nothing. Throws KernelError with every problem of the first phase that has one. */
export async function prepare(entries: readonly PluginEntry[], builtins: Builtins = {}): Promise<Prepared> {
  const loaded = await load(entries, builtins);
  const planned = await planWithSuggestions(loaded, builtins);
  return { plan: planned, sections: await configure(planned) };
}

/** Which plugins could fill a gap is worth importing the other built-ins, but only when there is a gap. */
async function planWithSuggestions(loaded: readonly Loaded[], builtins: Builtins): Promise<Plan> {
  try {
    return plan(loaded);
  } catch (error) {
    if (!(error instanceof KernelError) || !error.problems.some((one) => one.code === 'MISSING_PROVIDER')) throw error;
    const others = await Promise.allSettled(Object.values(builtins).map((source) => source()));
    const enabled = new Set(loaded.map((one) => one.plugin));
    const known = others
      .flatMap((result) => (result.status === 'fulfilled' ? [result.value.default] : []))
      .filter(isPlugin)
      .filter((plugin) => !enabled.has(plugin));
    return plan(loaded, known);
  }
}
