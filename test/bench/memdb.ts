import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Figures, Job } from './memdb-child.ts';
import type { BenchOptions, Row, Section } from './section.ts';

const CHILD = join(import.meta.dirname, 'memdb-child.ts');

/** Runs a job in a process with a heap of its own; a list of figures, one for each size. */
async function run(job: Job, ...nodeArgs: string[]): Promise<Figures[]> {
  const child = fork(CHILD, [JSON.stringify(job)], { execArgv: ['--expose-gc', ...nodeArgs] });
  const all: Figures[] = [];
  child.on('message', (figures) => all.push(figures as Figures));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the job ${job.name} ended with ${code}`);
  return all;
}

/** What memdb does and takes with 10,000 to a million issues. */
export async function memdb({ quick }: BenchOptions): Promise<Section> {
  const sizes = quick ? [1_000, 10_000] : [10_000, 100_000, 1_000_000];
  const steps = quick ? 2_000 : 20_000;
  const rows: Row[] = [];
  const million = sizes.at(-1)!;

  for (const [indexes, there] of [
    [1, 57_500],
    [4, 16_200],
  ] as const) {
    const [figures] = await run({ name: 'bare', indexes, run: 10 * steps });
    const name = `transactions of one row, ${indexes === 1 ? 'one index' : 'four indexes'}`;
    rows.push({
      name,
      value: figures!['writes']!,
      unit: '/s',
      target: { atLeast: there },
      note: 'go-memdb: the target',
    });
  }

  const grown = await run({ name: 'grow', sizes, run: steps }, '--max-old-space-size=8192');
  for (const figures of grown) {
    const size = figures['size']!;
    const isMost = size === million;
    const add = (name: string, figure: string, unit: string, target?: Row['target'], note?: string) =>
      rows.push({
        name: `${size.toLocaleString('en')} issues: ${name}`,
        value: figures[figure]!,
        unit,
        ...(target ? { target } : {}),
        ...(note ? { note } : {}),
      });
    add('CreateIssue, 64 at a time', 'creates', '/s', { atLeast: isMost ? 10_000 : 15_000 }, 'as the service does it');
    add('UpdateIssue, another summary', 'updates', '/s');
    add('CreateIssue, 1,000 snapshots held', 'creates while 1,000 snapshots are held', '/s');
    add('point read, median', 'read p50', 'us');
    add('point read, p99', 'read p99', 'us', { atMost: 20 });
    add('point read between writes, p99', 'read p99 under writes', 'us');
    add('page of 50 by project and status', 'page', 'ms', { atMost: 1 });
    add('page of 50, filtered', 'filtered', 'ms');
    add('search for a rare word', 'rare', 'ms');
    add('search for a common word', 'common', 'ms');
    add('count by project and status', 'count', 'ms');
    add('snapshot opened and closed', 'snapshot', 'us');
    add('with events and history', 'bytes', 'bytes an issue');
  }
  const [first, last] = [grown[0]!, grown.at(-1)!];
  for (const [name, figure, target] of [
    ['page of 50', 'page', { atMost: 1.5 }],
    ['point read, median', 'read p50', undefined],
  ] as const)
    rows.push({
      name: `${name}: growth from the fewest issues to the most`,
      value: last[figure]! / first[figure]!,
      unit: 'times',
      ...(target ? { target } : {}),
    });

  const [table] = await run({ name: 'rows', size: sizes.at(-2)! });
  const bytes = table!['bytes']!;
  rows.push({
    name: 'an issue with ten indexes and the text index, events apart',
    value: bytes,
    unit: 'bytes',
    target: { atMost: 2_500 },
  });
  const [whole] = await run({ name: 'server', size: quick ? 11_000 : 110_000 });
  rows.push(
    { name: 'the idle server, resident', value: whole!['idle']! / 1e6, unit: 'MB' },
    { name: 'with 110,000 issues, resident', value: whole!['rss']! / 1e6, unit: 'MB', target: { atMost: 257 } },
    { name: 'with 110,000 issues, in use', value: whole!['used']! / 1e6, unit: 'MB' },
  );
  return { title: 'memdb', rows };
}
