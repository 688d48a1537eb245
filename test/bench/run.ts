/**
 * `npm run bench`: measures, prints a table, and with --json FILE writes the same as JSON.
 *
 *     npm run bench -- [--only memdb,grpc,rest,streams,start,store,pages,databases,cache] [--quick] [--json FILE]
 *
 * Figures of different runs do not compare; ratios do, and each is made of turns within one run.
 */
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { cacheHits } from './cache.ts';
import { databases } from './databases.ts';
import { grpc } from './grpc.ts';
import { memdb } from './memdb.ts';
import { pages } from './pages.ts';
import { rest } from './rest.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import { start } from './start.ts';
import { store } from './store.ts';
import { streams } from './streams.ts';

const sections: Readonly<Record<string, (options: BenchOptions) => Promise<Section>>> = {
  memdb,
  grpc,
  rest,
  streams,
  start,
  store,
  pages,
  databases,
  cache: cacheHits,
};

const { values } = parseArgs({
  options: { only: { type: 'string' }, quick: { type: 'boolean', default: false }, json: { type: 'string' } },
});
const wanted = values.only?.split(',') ?? Object.keys(sections);
const unknown = wanted.find((name) => !Object.hasOwn(sections, name));
if (unknown !== undefined) {
  process.stderr.write(`bench: no section '${unknown}'; there are ${Object.keys(sections).join(', ')}\n`);
  process.exit(2);
}

const print = (text: string) => process.stdout.write(`${text}\n`);
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryMiB: Math.round(totalmem() / 2 ** 20),
};
print(
  `Node ${machine.node} on ${machine.cores} x ${machine.cpu}, ${machine.memoryMiB} MiB${values.quick ? ', quick: no figures to go by' : ''}`,
);

const done: Section[] = [];
for (const name of wanted) {
  const section = await sections[name]!({ quick: values.quick });
  done.push(section);
  print(`\n${section.title}`);
  if (section.missing !== undefined) print(`  skipped: ${section.missing}`);
  const width = Math.max(0, ...section.rows.map((row) => row.name.length));
  for (const row of section.rows) print(`  ${row.name.padEnd(width)}  ${figure(row).padStart(12)}  ${verdict(row)}`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine, sections: done }, null, 2)}\n`);

function figure({ value, unit }: Row): string {
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
}

function verdict({ value, target, note }: Row): string {
  const parts: string[] = [];
  if (target?.atLeast !== undefined)
    parts.push(`${value >= target.atLeast ? 'holds' : 'MISSED'}: at least ${target.atLeast}`);
  if (target?.atMost !== undefined)
    parts.push(`${value <= target.atMost ? 'holds' : 'MISSED'}: at most ${target.atMost}`);
  if (note !== undefined) parts.push(note);
  return parts.join('; ');
}
