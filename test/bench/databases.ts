import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { type BenchTracker, benchTracker } from './bench-tracker.ts';
import { IN_FLIGHT } from './comparison.ts';
import { casesOf } from './grpc.ts';
import { type Figures, measure } from './load.ts';
import { has, median } from './machine.ts';
import { durablePostgres } from './postgres.ts';
import type { BenchOptions, Row, Section } from './section.ts';
import { quantile, times } from './timing.ts';

/** What the Go original creates a second on PostgreSQL at 1, 16 and 64 in flight, without events or counts. */
const GO = [333, 947, 1328];
const METHODS = ['GetUser', 'ListIssues', 'CreateIssue'];
const WRITERS = 64;

interface Backend {
  readonly name: string;
  readonly tracker: BenchTracker;
}

/** The same calls over gRPC on every backend, in turns, and a read beside many writers. */
export async function databases({ quick }: BenchOptions): Promise<Section> {
  const title = 'gRPC on each backend, in turns (load by h2load on a core of its own)';
  if (!(await has('h2load'))) return { title, rows: [], missing: 'h2load is not installed (Debian: nghttp2-client)' };
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const postgres = await durablePostgres();
  const variables: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    memdb: {},
    SQLite: { DB_TYPE: 'sqlite', SQLITE_PATH: join(folder, 'tracker.db') },
    ...(postgres && { PostgreSQL: (await postgres.createDatabase()).variables }),
  };
  const backends: Backend[] = [];
  try {
    for (const [name, each] of Object.entries(variables))
      backends.push({ name, tracker: await benchTracker(quick ? 2_000 : 20_000, each) });
    const rows = await callRows(backends, quick);
    for (const backend of backends) rows.push(...(await readsBesideWriters(backend, quick)));
    return { title, rows };
  } finally {
    for (const { tracker } of backends) await tracker.stop();
    await postgres?.close();
    rmSync(folder, { recursive: true });
  }
}

async function callRows(backends: readonly Backend[], quick: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  const cases = await Promise.all(
    backends.map(async (backend) => ({ ...backend, cases: await casesOf(backend.tracker) })),
  );
  for (const method of METHODS)
    for (const [i, inFlight] of IN_FLIGHT.entries()) {
      const found = new Map<string, Figures[]>(backends.map(({ name }) => [name, []]));
      for (let round = 0; round <= (quick ? 1 : 5); round++)
        for (const { name, tracker, cases: own } of cases) {
          const { load } = own.find((each) => each.name === method)!;
          const figures = await measure((port) => load(port, inFlight, quick ? 1 : 2), tracker.grpc);
          if (round > 0) found.get(name)!.push(figures);
        }
      for (const [name, figures] of found) {
        const go = name === 'PostgreSQL' && method === 'CreateIssue' ? GO[i] : undefined;
        rows.push({
          name: `${method} on ${name}, ${inFlight} in flight`,
          value: median(figures.map(({ rate }) => rate)),
          unit: '/s',
          note: `${Math.round(median(figures.map(({ cost }) => cost)))} us of processor time each${go ? `; Go original ${go}/s` : ''}`,
          ...(go && { target: { atLeast: go } }),
        });
      }
    }
  return rows;
}

/** GetUser, one call after the other, each of a user that no cache has: alone, and while many create in one project. */
async function readsBesideWriters({ name, tracker }: Backend, quick: boolean): Promise<Row[]> {
  const count = quick ? 100 : 400;
  const users = Array.from({ length: 20 * count }, (_, i) => ({ name: `User ${i}`, email: `user-${i}@example.com` }));
  const ids: string[] = [];
  for (let i = 0; i < users.length; i += 100) {
    const made = await Promise.all(
      users.slice(i, i + 100).map((user) => tracker.call(UserServiceService.createUser, user)),
    );
    ids.push(...made.map(({ user }) => user!.id));
  }
  const read = async () => {
    const sorted = await times(count, () => tracker.call(UserServiceService.getUser, { id: ids.pop()! }));
    return quantile(sorted, 0.99);
  };
  const { load } = (await casesOf(tracker)).find((each) => each.name === 'CreateIssue')!;
  const [idle, busy]: [number[], number[]] = [[], []];
  for (let round = 0; round < 5; round++) {
    idle.push(await read());
    const writing = load(tracker.grpc.port, WRITERS, quick ? 1 : 4);
    busy.push(await read());
    await writing;
  }
  return [
    { name: `GetUser on ${name}, p99`, value: median(idle), unit: 'ms' },
    {
      name: `  with ${WRITERS} writers on one project`,
      value: median(busy) / median(idle),
      unit: 'x',
      note: `${median(busy).toFixed(1)} ms`,
      ...(name === 'PostgreSQL' && { target: { atMost: 3 } }),
    },
  ];
}
