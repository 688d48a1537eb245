import { builtins } from '../../config/builtins.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import { pluginConformance } from '../../core/testing/plugin-conformance.ts';

/** Settings with which a plugin disturbs no other program of the machine. */
const samples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  grpc: { port: 0, host: '127.0.0.1' },
  rest: { port: 0, host: '127.0.0.1' },
};

for (const [name, load] of Object.entries(builtins))
  pluginConformance({ describe, it }, (await load()).default as Plugin, samples[name]);
