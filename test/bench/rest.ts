import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { bareServers, benchTracker } from './bench-tracker.ts';
import { compare, httpLoad, type Load } from './load.ts';
import { has } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';

const GO: Readonly<Record<string, readonly number[]>> = { GetUser: [2118, 6512, 6070] };
const IN_FLIGHT = [1, 16, 64];

/** Methods over HTTP, against bare node:http and bare Koa that answer the same JSON: in turns, in one run. */
export async function rest({ quick }: BenchOptions): Promise<Section> {
  const title = 'REST, requests a second, against bare node:http and bare Koa (wrk on a core of its own)';
  if (!(await has('wrk'))) return { title, rows: [], missing: 'wrk is not installed (Debian: wrk)' };
  const tracker = await benchTracker(quick ? 2000 : 110_000);
  const rows: Row[] = [];
  try {
    const { userId, projectId, server } = tracker;
    const { user } = await tracker.call(UserServiceService.getUser, { id: userId });
    const cases: readonly (readonly [string, string, Load])[] = [
      ['GetUser', `/v1/users/${userId}`, httpLoad(`/v1/users/${userId}`)],
      ['ListIssues', `/v1/projects/${projectId}/issues`, httpLoad(`/v1/projects/${projectId}/issues`)],
      [
        'CreateIssue',
        `/v1/issues/${tracker.issueId}`,
        httpLoad('/v1/issues', JSON.stringify({ projectId, summary: 'The form loses what was written' })),
      ],
    ];
    for (const [name, path, load] of cases) {
      const body = await (await fetch(`http://127.0.0.1:${server.httpPort}${path}`)).text();
      const bare = await bareServers({ grpc: {}, encoded: '', http: { body, etag: `"${user!.etag}"` } });
      try {
        for (const [i, inFlight] of IN_FLIGHT.entries()) {
          const seconds = quick ? 1 : 2;
          const rounds = quick ? 1 : 5;
          const ours = () => load(server.httpPort, inFlight, seconds);
          const http = await compare(ours, () => load(bare.http, inFlight, seconds), rounds);
          const koa = await compare(ours, () => load(bare.koa, inFlight, seconds), rounds);
          const label = `${name}, ${inFlight} in flight`;
          const go = GO[name]?.[i];
          rows.push({
            name: label,
            value: http.ours,
            unit: '/s',
            ...(go && { note: `Go original: ${go}`, target: { atLeast: 1.5 * go } }),
          });
          const targets = name === 'GetUser' && inFlight === 64 ? [0.45, 0.65] : [];
          for (const [other, result, target] of [
            ['node:http', http, targets[0]],
            ['Koa', koa, targets[1]],
          ] as const)
            rows.push({
              name: `${label}, of bare ${other}`,
              value: result.ratio,
              unit: 'x',
              note: `bare: ${Math.round(result.bare)}/s`,
              ...(target && { target: { atLeast: target } }),
            });
        }
      } finally {
        await bare.stop();
      }
    }
  } finally {
    await tracker.stop();
  }
  return { title, rows };
}
