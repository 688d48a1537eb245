import type { Plugin } from '../../core/kernel/index.ts';

/** The plugin with these settings in the place of its own. */
export function configured(plugin: Plugin, config: object): Plugin {
  return Object.freeze({
    ...plugin,
    // biome-ignore lint/suspicious/noExplicitAny: the kernel's context for a plugin of any types
    setup: (context: any) => plugin.setup({ ...context, config: { ...context.config, ...config } }),
  });
}
