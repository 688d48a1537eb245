import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { builtins } from '../../config/builtins.ts';
import type { Plugin } from '../../core/kernel/index.ts';
import { MAX_EXTENT } from '../../plugins/issue/workflow-extent.ts';

const page = readFileSync(new URL('../../docs/reference/limits.md', import.meta.url), 'utf8');

/** The rows of the page that have a setting: its name, and the number that the row begins its default with. */
const rows = new Map(
  [...page.matchAll(/^\|[^|]*\| ([^|]*) \| `([\w-]+\.\w+)` \|/gm)].map(([, text, name]) => [name!, text!]),
);

const LIMIT = /^max|[tT]imeout|Deadline|^keepalive|^stalled/;

async function settingsOf(name: string): Promise<[string, unknown][]> {
  const plugin = (await builtins[name]!()).default as Plugin;
  const { properties = {} } = z.toJSONSchema(plugin.config as unknown as z.ZodType, { io: 'input' });
  return Object.entries(properties).map(([key, schema]) => [
    `${name}.${key}`,
    typeof schema === 'object' ? schema.default : undefined,
  ]);
}

describe('docs/reference/limits.md', () => {
  it('has every setting that is a limit, with its default, and no other', async () => {
    const settings = (await Promise.all(['admin', 'api', 'grpc', 'log', 'project', 'rest'].map(settingsOf))).flat();
    const limits = settings.filter(([name]) => LIMIT.test(name.slice(name.indexOf('.') + 1)));
    assert.ok(limits.length >= 18, `${limits.length} limits`);
    assert.deepEqual(
      Object.fromEntries([...rows].sort()),
      Object.fromEntries(limits.map(([name, value]) => [name, String(value)] as const).sort()),
    );
  });

  it('has the bound of a change of a workflow', () => {
    const [, bound] = /^\| a change of a workflow[^|]*\| ([\d,]+) /m.exec(page) ?? [];
    assert.equal(Number(bound?.replaceAll(',', '')), MAX_EXTENT);
  });
});
