import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import type { UnaryMethod } from '../support/tracker.ts';
import { type BenchTracker, bareServers, benchTracker } from './bench-tracker.ts';
import { compare, grpcLoad, type Load } from './load.ts';
import { has, onLoadCore, run } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';

/** What a Go service of the same kind does on such a machine, at 1, 16 and 64 calls in flight; 0 = not measured. */
const GO: Readonly<Record<string, readonly number[]>> = {
  GetUser: [3200, 19_300, 21_600],
  CreateIssue: [1115, 1941, 3018],
  ListIssues: [0, 0, 28],
};
const RATIOS: Readonly<Record<string, number>> = { GetUser: 0.75, CreateIssue: 0.5, ListIssues: 0.7 };
const IN_FLIGHT = [1, 16, 64];

/** Methods over gRPC, against a bare grpc-js server that answers the same bytes: in turns, in one run. */
export async function grpc({ quick }: BenchOptions): Promise<Section> {
  const title = 'gRPC, calls a second, against a bare grpc-js server (h2load on a core of its own)';
  if (!(await has('h2load'))) return { title, rows: [], missing: 'h2load is not installed (Debian: nghttp2-client)' };
  const issues = quick ? 2000 : 110_000;
  const tracker = await benchTracker(issues);
  const rows: Row[] = [];
  try {
    const cases = await casesOf(tracker);
    const bare = await bareServers({
      grpc: Object.fromEntries(cases.map(({ method, response }) => [method.path, response.toString('base64')])),
      encoded: IssueServiceService.listIssues.path,
      http: { body: '', etag: '""' },
    });
    try {
      for (const { name, method, request } of cases) {
        const load: Load = grpcLoad(method.path, request);
        for (const [i, inFlight] of IN_FLIGHT.entries()) {
          const seconds = quick ? 1 : 2;
          const {
            ours,
            bare: other,
            ratio,
          } = await compare(
            () => load(tracker.server.grpcPort, inFlight, seconds),
            () => load(bare.grpc, inFlight, seconds),
            quick ? 1 : 5,
          );
          const label = `${name}, ${inFlight} in flight`;
          const go = GO[name]?.[i] ? `Go original: ${GO[name][i]}` : undefined;
          rows.push({ name: label, value: ours, unit: '/s', ...(go && { note: go }) });
          const target = inFlight === 64 && RATIOS[name] ? { target: { atLeast: RATIOS[name] } } : {};
          rows.push({
            name: `${label}, of bare`,
            value: ratio,
            unit: 'x',
            note: `bare: ${Math.round(other)}/s`,
            ...target,
          });
        }
      }
    } finally {
      await bare.stop();
    }
    rows.push(...(await updates(tracker, quick)));
    rows.push({ name: 'memory of the server at the end', value: tracker.server.memory(), unit: 'MiB' });
  } finally {
    await tracker.stop();
  }
  return { title, rows };
}

interface Case {
  readonly name: string;
  readonly method: UnaryMethod<never, never>;
  readonly request: Buffer;
  readonly response: Buffer;
}

async function casesOf({ call, userId, projectId }: BenchTracker): Promise<Case[]> {
  const prepare = async <Req, Res>(name: string, method: Full<Req, Res>, request: Partial<Req>): Promise<Case> => {
    const complete = { ...method.requestDeserialize(Buffer.alloc(0)), ...request };
    const response = method.responseSerialize(await call(method, request));
    return { name, method: method as never, request: method.requestSerialize(complete), response };
  };
  const summary = 'The form loses what was written'.padEnd(60, '.');
  const description = 'It happens on every second try. '.repeat(7).slice(0, 200);
  return [
    await prepare('GetUser', UserServiceService.getUser, { id: userId }),
    await prepare('ListIssues', IssueServiceService.listIssues, { projectId, pageSize: 50 }),
    await prepare('CreateIssue', IssueServiceService.createIssue, { projectId, summary, description }),
  ];
}
type Full<Req, Res> = UnaryMethod<Req, Res> & { readonly responseSerialize: (response: Res) => Buffer };

/** Each call has to change something, so h2load will not do. */
async function updates({ server, issueId }: BenchTracker, quick: boolean): Promise<Row[]> {
  if (!(await has('ghz'))) return [];
  const rows: Row[] = [];
  for (const inFlight of IN_FLIGHT) {
    const text = await run([
      ...onLoadCore,
      ...['ghz', '--insecure', '--call', 'issuepb.IssueService.UpdateIssue', '-O', 'json'],
      ...['-d', JSON.stringify({ id: issueId, summary: 'Summary {{.RequestNumber}}' })],
      ...['-z', quick ? '1s' : '4s', '-c', String(inFlight), '--connections', String(Math.min(inFlight, 4))],
      `127.0.0.1:${server.grpcPort}`,
    ]);
    rows.push({
      name: `UpdateIssue, ${inFlight} in flight`,
      value: JSON.parse(text).rps,
      unit: '/s',
      note: 'by ghz, which takes more of its core than h2load',
    });
  }
  return rows;
}
