import { UserServiceService } from '../../proto/gen/user/v1/user.ts';
import { bareServers, benchTracker } from './bench-tracker.ts';
import { comparison, IN_FLIGHT } from './comparison.ts';
import { httpLoad, type Load } from './load.ts';
import { has } from './machine.ts';
import type { BenchOptions, Row, Section } from './section.ts';

const GO: Readonly<Record<string, readonly number[]>> = { GetUser: [2118, 6512, 6070] };

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
          const go = GO[name]?.[i];
          const [ofHttp, ofKoa] = name === 'GetUser' && inFlight === 64 ? [0.45, 0.65] : [];
          const bares = [
            { name: 'bare node:http', target: bare.http, atLeast: ofHttp },
            { name: 'bare Koa', target: bare.koa, atLeast: ofKoa },
          ];
          const options = { name, go, atLeast: go && 1.5 * go, quick };
          rows.push(...(await comparison(load, inFlight, tracker.http, bares, options)));
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
