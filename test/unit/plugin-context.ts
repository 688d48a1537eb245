import assert from 'node:assert/strict';
import type { Logger, Plugin } from '../../core/kernel/plugin.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[] = []): Logger & { readonly lines: readonly LogLine[] } {
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => recordingLogger(lines),
  };
}

/** Sets one plugin up as the kernel does, with these services in the place of those that other plugins provide. */
export async function setUp(plugin: Plugin, given: { readonly deps?: object; readonly config: unknown }) {
  const checked = await plugin.config?.['~standard'].validate(given.config);
  assert.equal(checked?.issues, undefined, 'the configuration is refused');
  const log = recordingLogger();
  const releases: (() => unknown)[] = [];
  const contributed = new Map<string, unknown[]>();
  const contribute = Object.fromEntries(
    Object.keys(plugin.contributes).map((name) => [
      name,
      (...items: unknown[]) => contributed.set(name, [...(contributed.get(name) ?? []), ...items]),
    ]),
  );
  const instance = await plugin.setup({
    config: checked && 'value' in checked ? checked.value : undefined,
    deps: given.deps ?? {},
    contribute,
    log,
    signal: new AbortController().signal,
    defer: (_what: string, release: () => unknown) => releases.push(release),
  });
  return {
    instance,
    log,
    contributed,
    async release() {
      for (const release of releases.reverse()) await release();
    },
  };
}
