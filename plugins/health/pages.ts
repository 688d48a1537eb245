import type { ComponentHealth, Health, HealthStatus } from '../../core/contracts/health.ts';
import type { HttpPage, HttpRoute } from '../../core/contracts/http.ts';

const WORDS: Readonly<Record<HealthStatus, string>> = { up: 'healthy', degraded: 'degraded', down: 'unhealthy' };

/** /healthz: the process is alive. /readyz: it can serve. /health: how each part is. */
export function healthPages(health: Health, appName: string): HttpRoute[] {
  return [
    { method: 'GET', path: '/healthz', handle: async () => text(200, 'ok') },
    {
      method: 'GET',
      path: '/readyz',
      async handle() {
        return (await health.ready()) ? text(200, 'ready') : text(503, 'not ready');
      },
    },
    {
      method: 'GET',
      path: '/health',
      async handle() {
        const { status, ready, components } = await health.report();
        const body = { status: WORDS[status], app_name: appName, ...Object.assign({}, ...components.map(describe)) };
        return { status: ready ? 200 : 503, contentType: 'application/json', body: JSON.stringify(body) };
      },
    },
  ];
}

function text(status: number, body: string): HttpPage {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

/** db_status, db_type ...; what carries messages is known as communication_method. */
function describe({ component, type, status, detail }: ComponentHealth): Record<string, string> {
  return {
    [`${component}_status`]: status,
    [component === 'communication' ? 'communication_method' : `${component}_type`]: type,
    ...(detail === undefined ? {} : { [`${component}_detail`]: detail }),
  };
}
