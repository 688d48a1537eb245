import type { IncomingMessage } from 'node:http';
import type { Cors } from './cors.ts';
import { GatewayError } from './errors.ts';

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * PERMISSION_DENIED for a request of a page that may not change anything: one of another origin, unless `cors` allows
 * it. A browser sends such a request without asking where it has no body, and keeps only the answer from the page. It
 * names the page's origin in every request that is not safe; who sends none is no page.
 */
export function checkOrigin({ method, headers: { origin, host } }: IncomingMessage, cors: Cors | undefined): void {
  if (origin === undefined || SAFE.has(method!) || cors?.allows(origin) || isOwn(origin, host)) return;
  throw new GatewayError(
    'PERMISSION_DENIED',
    'ORIGIN_NOT_ALLOWED',
    'a web page of this origin may not change anything: CORS_ORIGINS lists the origins that may',
  );
}

/** Whether it is where the request went; the scheme may differ behind a proxy that ends TLS. */
function isOwn(origin: string, host: string | undefined): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  return scheme !== undefined && host !== undefined && URL.parse(`${scheme}${host}`)?.origin === origin;
}
