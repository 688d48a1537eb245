/**
 * One job of store.ts, in a process of its own: CreateIssue of the issue service on a database, and the same by hand on
 * another one with the same tables, in turns. Its argument is the JSON of `StoreJob`; it sends `StoreRound`s.
 */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { NewIssue } from '../../plugins/issue/writes.ts';
import { createByOne, createByTwo, creatorInSqlite } from './bare-create.ts';
import { bareTracker, caller } from './memdb-tracker.ts';
import { connectionOf } from './postgres.ts';

type Variables = Readonly<Record<string, string>>;

export interface StoreJob {
  /** Of the tracker that is measured, and of the one that makes the tables for what is written by hand. */
  readonly ours: Variables;
  readonly bare: Variables;
  /** How many create at a time, and in how many projects: each in one. */
  readonly loads: readonly { readonly callers: number; readonly projects: number }[];
  /** Of each load; one more, before them, does not count. */
  readonly rounds: number;
  readonly seconds: number;
}

/** What one way did for some seconds: issues a second, and microseconds of processor time for each. */
export interface Did {
  readonly rate: number;
  readonly cost: number;
  /** Of the database's server; 0 where it is in the process. */
  readonly serverCost: number;
}

export interface StoreRound {
  readonly load: number;
  readonly did: Readonly<Record<string, Did>>;
}

interface Way {
  readonly name: string;
  create(wish: NewIssue, worker: number): Promise<unknown>;
}

const { ours, bare, loads, rounds, seconds } = JSON.parse(process.argv[2]!) as StoreJob;

/** The tables and the projects, in which nothing else works afterwards. */
async function prepared(): Promise<readonly string[]> {
  const { projectIds, stop } = await bareTracker({ variables: bare });
  await stop();
  return projectIds;
}

async function waysOf(most: number): Promise<{ readonly ways: readonly Way[]; end(): Promise<unknown> }> {
  if (bare['DB_TYPE'] === 'sqlite') {
    const database = new DatabaseSync(bare['SQLITE_PATH']!);
    database.exec('pragma journal_mode = wal; pragma synchronous = normal');
    const create = creatorInSqlite(database);
    return { ways: [{ name: 'by hand', create: async (wish) => create(wish) }], end: async () => database.close() };
  }
  const clients = Array.from({ length: most }, () => new pg.Client(connectionOf(bare)));
  await Promise.all(clients.map((client) => client.connect()));
  return {
    ways: [
      { name: 'two statements', create: (wish, worker) => createByTwo(clients[worker]!, wish) },
      { name: 'one statement', create: (wish, worker) => createByOne(clients[worker]!, wish) },
    ],
    end: () => Promise.all(clients.map((client) => client.end())),
  };
}

/** In milliseconds: what a server's processes have used; what one has that ended is counted with the server itself. */
function serverTime(parent: number | undefined): number {
  if (parent === undefined) return 0;
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ');
  return children.reduce((sum, pid) => sum + ticksOf(pid, 2), ticksOf(String(parent), 4)) * 10;
}

/** The first of a process's utime, stime, cutime and cstime; 0 where it has just ended. */
function ticksOf(pid: string, fields: number): number {
  try {
    const all = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return all.slice(11, 11 + fields).reduce((sum, ticks) => sum + Number(ticks), 0);
  } catch {
    return 0;
  }
}

async function serverOf(variables: Variables): Promise<number | undefined> {
  if (variables['DB_TYPE'] !== 'postgres') return undefined;
  const client = new pg.Client(connectionOf(variables));
  await client.connect();
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
  const status = readFileSync(`/proc/${rows[0].pid}/status`, 'utf8');
  await client.end();
  return Number(/PPid:\s+(\d+)/.exec(status)![1]);
}

const bareProjects = await prepared();
const tracker = await bareTracker({ variables: ours });
const bareWays = await waysOf(Math.max(...loads.map(({ callers }) => callers)));
const server = await serverOf(ours);
const ways: readonly Way[] = [
  { name: 'ours', create: (wish) => tracker.issues.create(wish, caller()) },
  ...bareWays.ways,
];
let made = 0;

async function run({ name, create }: Way, callers: number, projects: number): Promise<Did> {
  const projectIds = name === 'ours' ? tracker.projectIds : bareProjects;
  const processorBefore = process.cpuUsage();
  const serverBefore = serverTime(server);
  const start = performance.now();
  const end = start + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, worker) => {
      while (performance.now() < end) {
        await create({ ...tracker.wish(made++), projectId: projectIds[worker % projects]! }, worker);
        count++;
        // What is done at once leaves others no turn.
        if (count % 64 === 0) await new Promise(setImmediate);
      }
    }),
  );
  const rate = (count / (performance.now() - start)) * 1000;
  const { user, system } = process.cpuUsage(processorBefore);
  return { rate, cost: (user + system) / count, serverCost: ((serverTime(server) - serverBefore) * 1000) / count };
}

for (const [load, { callers, projects }] of loads.entries())
  for (let round = 0; round <= rounds; round++) {
    const did: Record<string, Did> = {};
    for (const way of round % 2 ? ways : ways.toReversed()) did[way.name] = await run(way, callers, projects);
    if (round > 0) process.send!({ load, did } satisfies StoreRound);
  }
await tracker.stop();
await bareWays.end();
process.disconnect();
