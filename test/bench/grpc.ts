import { IssueServiceService } from '../../proto/gen/issue/v1/issue.ts';
import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import type { UnaryMethod } from '../support/tracker.ts';
import { type BareServers, type BenchTracker, bareServers, benchTracker } from './bench-tracker.ts';
import { comparison, IN_FLIGHT } from './comparison.ts';
import { grpcLoad, type Load, updateLoad } from './load.ts';
import { has } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';

/** What the Go original does on such a machine, at 1, 16 and 64 calls in flight. */
const GO: Readonly<Record<string, readonly number[]>> = {
  GetUser: [3200, 19_300, 21_600],
  CreateIssue: [1115, 1941, 3018],
  ListIssues: [28, 28, 28],
};
/** Of the bare server, with 64 in flight. */
const RATIOS: Readonly<Record<string, number>> = { GetUser: 0.75, CreateIssue: 0.5, ListIssues: 0.7 };
/** Answers a second with 64 in flight: three times the Go original's creates, and more lists than it has from a stale cache. */
const RATES: Readonly<Record<string, number>> = { CreateIssue: 9054, ListIssues: 2800 };

/** Methods over gRPC, against a bare grpc-js server that answers the same bytes: in turns, in one run. */
export async function grpc(options: BenchOptions): Promise<Section> {
  const title = 'gRPC, against a bare grpc-js server (load by h2load on a core of its own)';
  if (!(await has('h2load'))) return { title, rows: [], missing: 'h2load is not installed (Debian: nghttp2-client)' };
  const tracker = await benchTracker(options.quick ? 2000 : 110_000);
  try {
    const cases = await casesOf(tracker);
    const bare = await bareServers({
      grpc: Object.fromEntries(cases.map(({ method, response }) => [method.path, response.toString('base64')])),
      encoded: IssueServiceService.listIssues.path,
      http: { body: '', etag: '""' },
    });
    try {
      return { title, rows: await rowsOf(cases, tracker, bare, options) };
    } finally {
      await bare.stop();
    }
  } finally {
    await tracker.stop();
  }
}

async function rowsOf(cases: readonly Case[], tracker: BenchTracker, bare: BareServers, options: BenchOptions) {
  const rows: Row[] = [];
  for (const { name, load } of cases) {
    if (name === 'UpdateIssue' && !(await has('ghz'))) {
      rows.push({ name, value: 0, unit: '/s', note: 'skipped: ghz is not installed (https://ghz.sh)' });
      continue;
    }
    for (const [i, inFlight] of IN_FLIGHT.entries()) {
      const most = inFlight === 64;
      rows.push(
        ...(await comparison(
          load,
          inFlight,
          tracker.grpc,
          [{ name: 'bare', target: bare.grpc, atLeast: most ? RATIOS[name] : undefined }],
          {
            name,
            go: GO[name]?.[i],
            atLeast: most ? RATES[name] : undefined,
            quick: options.quick,
          },
        )),
      );
    }
  }
  rows.push({ name: 'memory of the server at the end', value: tracker.server.memory(), unit: 'MiB' });
  return rows;
}

export interface Case {
  readonly name: string;
  readonly method: UnaryMethod<never, never>;
  readonly request: Buffer;
  readonly response: Buffer;
  readonly load: Load;
}

/** In this order: those that change something last. */
export async function casesOf({ call, userId, projectId, issueId }: BenchTracker): Promise<Case[]> {
  const prepare = async <Req, Res>(
    name: string,
    method: Full<Req, Res>,
    request: Partial<Req>,
    load?: Load,
  ): Promise<Case> => {
    const complete = { ...method.requestDeserialize(Buffer.alloc(0)), ...request };
    const response = method.responseSerialize(await call(method, request));
    const bytes = method.requestSerialize(complete);
    return { name, method: method as never, request: bytes, response, load: load ?? grpcLoad(method.path, bytes) };
  };
  const summary = 'The form loses what was written'.padEnd(60, '.');
  const description = 'It happens on every second try. '.repeat(7).slice(0, 200);
  return [
    await prepare('GetUser', UserServiceService.getUser, { id: userId }),
    await prepare('ListIssues', IssueServiceService.listIssues, { projectId, pageSize: 50 }),
    await prepare('CreateIssue', IssueServiceService.createIssue, { projectId, summary, description }),
    // Each call has to change something, so one and the same request will not do.
    await prepare('UpdateIssue', IssueServiceService.updateIssue, { id: issueId, summary }, updateLoad(issueId)),
  ];
}
type Full<Req, Res> = UnaryMethod<Req, Res> & { readonly responseSerialize: (response: Res) => Buffer };
