import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './machine.ts';
import { durablePostgres } from './postgres.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import type { StoreJob, StoreRound } from './store-child.ts';

const CHILD = join(import.meta.dirname, 'store-child.ts');
/** One caller, then so many in one project, then each in a project of its own. */
const LOADS = [
  { callers: 1, projects: 1 },
  { callers: 16, projects: 1 },
  { callers: 64, projects: 1 },
  { callers: 16, projects: 16 },
  { callers: 64, projects: 64 },
];
/** What the Go original does at so many calls in flight, without events or counts. */
const GO: Readonly<Record<number, number>> = { 1: 333, 16: 947, 64: 1328 };
/** CreateIssue in the process, against the same by hand through the bare driver, in turns: PostgreSQL and SQLite. */
export async function store(options: BenchOptions): Promise<Section> {
  return {
    title: 'CreateIssue of the issue service, against the same written by hand through the bare driver',
    rows: [...(await inPostgres(options)), ...(await inSqlite(options))],
  };
}

async function inPostgres({ quick }: BenchOptions): Promise<Row[]> {
  const server = await durablePostgres();
  if (!server) return [{ name: 'PostgreSQL', value: 0, unit: '/s', note: 'skipped: it is not installed' }];
  try {
    const [ours, bare] = [await server.createDatabase(), await server.createDatabase()];
    const job = { ours: ours.variables, bare: bare.variables, loads: LOADS, ...lengthOf(quick) };
    return rowsOf('PostgreSQL', job, await roundsOf(job), (load, way) =>
      load.projects === 64 && way === 'two statements' ? 0.5 : undefined,
    );
  } finally {
    await server.close();
  }
}

async function inSqlite({ quick }: BenchOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const variablesOf = (name: string) => ({ DB_TYPE: 'sqlite', SQLITE_PATH: join(folder, name) });
    const loads = LOADS.filter(({ callers, projects }) => callers === projects);
    const job = { ours: variablesOf('ours'), bare: variablesOf('bare'), loads, ...lengthOf(quick) };
    return rowsOf('SQLite', job, await roundsOf(job), () => 0.3);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const lengthOf = (quick: boolean) => (quick ? { rounds: 1, seconds: 1 } : { rounds: 5, seconds: 2 });

async function roundsOf(job: StoreJob): Promise<readonly StoreRound[]> {
  const child = fork(CHILD, [JSON.stringify(job)]);
  const all: StoreRound[] = [];
  child.on('message', (round) => all.push(round as StoreRound));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the job of the stores ended with ${code}`);
  return all;
}

type Load = StoreJob['loads'][number];

function rowsOf(
  database: string,
  { loads }: StoreJob,
  rounds: readonly StoreRound[],
  least: (load: Load, way: string) => number | undefined,
): Row[] {
  return loads.flatMap((load, number) => {
    const of = rounds.filter((round) => round.load === number).map(({ did }) => did);
    const mid = (way: string, figure: 'rate' | 'cost' | 'serverCost') => median(of.map((did) => did[way]![figure]));
    const time = (way: string) => {
      const inServer = mid(way, 'serverCost');
      return `${Math.round(mid(way, 'cost'))} us of processor time each${inServer > 0 ? `, and the server's ${Math.round(inServer)}` : ''}`;
    };
    const [go] = database === 'PostgreSQL' ? [GO[load.callers]] : [];
    const where = load.projects === 1 ? 'one project' : `${load.projects} projects`;
    const first: Row = {
      name: `${database}, ${load.callers} at a time, ${where}`,
      value: mid('ours', 'rate'),
      unit: '/s',
      note: `${time('ours')}${go ? `; Go original ${go}/s` : ''}`,
      ...(go && { target: { atLeast: go } }),
    };
    const others = Object.keys(of[0]!).filter((way) => way !== 'ours');
    const ratios = others.sort().map((way): Row => {
      const atLeast = least(load, way);
      return {
        name: `  of ${way}`,
        value: median(of.map((did) => did['ours']!.rate / did[way]!.rate)),
        unit: 'x',
        note: `${Math.round(mid(way, 'rate'))}/s; ${time(way)}`,
        ...(atLeast !== undefined && { target: { atLeast } }),
      };
    });
    return [first, ...ratios];
  });
}
