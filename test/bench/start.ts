import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../support/server-process.ts';
import { benchTracker } from './bench-tracker.ts';
import { median, onServerCore } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';

/** How long a start takes until the first answer, and what the process takes of memory. */
export async function start({ quick }: BenchOptions): Promise<Section> {
  const rows: Row[] = [];
  const cache = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const times: number[] = [];
    let idle = 0;
    for (let i = 0; i < (quick ? 3 : 6); i++) {
      const began = performance.now();
      const server = await startServer({ NODE_COMPILE_CACHE: cache }, { prefix: onServerCore });
      const answer = await fetch(`http://127.0.0.1:${server.httpPort}/v1/projects`);
      if (answer.status !== 200) throw new Error(`answered ${answer.status}`);
      times.push(performance.now() - began);
      idle = server.memory();
      await server.stop();
    }
    const [cold, ...warm] = times;
    rows.push({ name: 'start to first answer, the first time', value: cold!, unit: 'ms' });
    rows.push({ name: 'start to first answer, compiled code kept', value: median(warm), unit: 'ms' });
    rows.push({ name: 'memory when idle', value: idle, unit: 'MiB' });
  } finally {
    rmSync(cache, { recursive: true });
  }
  const issues = quick ? 10_000 : 110_000;
  const tracker = await benchTracker(issues);
  rows.push({
    name: `memory with ${issues} issues, their events and history`,
    value: tracker.server.memory(),
    unit: 'MiB',
    note: 'Go original: 515 MB for 110,000',
    ...(!quick && { target: { atMost: 257 } }),
  });
  await tracker.stop();
  return { title: 'Start and memory', rows };
}
