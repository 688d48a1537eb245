import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { and, eq, isIn, matchesText, range, type Where } from '../../core/contracts/query.ts';
import { issuesTable } from '../../plugins/issue/table.ts';
import { fillPostgres, fillSqlite } from './many-issues.ts';
import { type BareTracker, bareTracker } from './memdb-tracker.ts';
import { connectionOf, durablePostgres } from './postgres.ts';
import { randoms } from './random.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import { quantile, times } from './timing.ts';

interface Sized {
  readonly size: number;
  readonly tracker: BareTracker;
}

/** So few have the issues that out of the fewest, too, a page is full. */
const PROJECTS = 10;
const projectsOf = ({ projectIds }: BareTracker) => projectIds.slice(0, PROJECTS);

/** Pages of 50 issues out of few and out of many, in turns; memdb's are in its own section. */
export async function pages(options: BenchOptions): Promise<Section> {
  const title = 'Pages of 50 issues, in the process, out of few and many';
  return { title, rows: [...(await inPostgres(options)), ...(await inSqlite(options))] };
}

const sizesOf = (quick: boolean) => (quick ? [1_000, 20_000] : [10_000, 100_000, 1_000_000]);

async function inPostgres(options: BenchOptions): Promise<Row[]> {
  const server = await durablePostgres();
  if (!server) return [{ name: 'PostgreSQL', value: 0, unit: 'ms', note: 'skipped: it is not installed' }];
  const opened: Sized[] = [];
  try {
    for (const size of sizesOf(options.quick)) {
      const { variables } = await server.createDatabase();
      const tracker = await bareTracker({ variables });
      opened.push({ size, tracker });
      await fillPostgres(connectionOf(variables), projectsOf(tracker), size);
    }
    return await rowsOf('PostgreSQL', opened, options);
  } finally {
    for (const { tracker } of opened) await tracker.stop();
    await server.close();
  }
}

async function inSqlite(options: BenchOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const opened: Sized[] = [];
  try {
    for (const size of sizesOf(options.quick)) {
      const path = join(folder, String(size));
      const tracker = await bareTracker({ variables: { DB_TYPE: 'sqlite', SQLITE_PATH: path } });
      opened.push({ size, tracker });
      fillSqlite(path, projectsOf(tracker), size);
    }
    return await rowsOf('SQLite', opened, options);
  } finally {
    for (const { tracker } of opened) await tracker.stop();
    rmSync(folder, { recursive: true });
  }
}

/** What is asked for: of some project, or of all. */
const QUERIES: Readonly<Record<string, (projectId: string) => Where>> = {
  'page by project and status': (projectId) => and(eq('project_id', projectId), eq('status', 'NEW')),
  'page with conditions that no index covers': (projectId) =>
    and(
      eq('project_id', projectId),
      isIn('priority', ['CRITICAL', 'MAJOR']),
      eq('status', 'NEW'),
      range('due_at', { gte: 0 }),
    ),
  'page of a word that every issue has': () => matchesText('form'),
};
const ROUNDS = 7;

async function rowsOf(database: string, opened: readonly Sized[], { quick }: BenchOptions): Promise<Row[]> {
  const random = randoms(5);
  const rows: Row[] = [];
  for (const [name, whereOf] of Object.entries(QUERIES)) {
    const all = new Map<number, number[]>(opened.map(({ size }) => [size, []]));
    // The first round warms up.
    for (let round = 0; round <= ROUNDS; round++)
      for (const { size, tracker } of opened) {
        const { store } = tracker;
        const projectIds = projectsOf(tracker);
        const took = await times(quick ? 20 : 100, () => {
          const where = whereOf(projectIds[Math.floor(random() * projectIds.length)]!);
          return store.read((tx) =>
            tx.table(issuesTable).find({ where, orderBy: { columns: ['created_at'] }, limit: 50 }),
          );
        });
        if (round > 0) all.get(size)!.push(...took);
      }
    const medians = opened.map(({ size }) =>
      quantile(
        all.get(size)!.toSorted((a, b) => a - b),
        0.5,
      ),
    );
    for (const [i, { size }] of opened.entries())
      rows.push({ name: `${database}, ${size.toLocaleString('en')} issues: ${name}`, value: medians[i]!, unit: 'ms' });
    rows.push({
      name: '  growth from the fewest to the most',
      value: medians.at(-1)! / medians[0]!,
      unit: 'x',
      target: { atMost: 2 },
    });
  }
  return rows;
}
