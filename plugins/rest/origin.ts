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
export function checkOrigin(request: IncomingMessage, cors: Cors | undefined): void {
  if (SAFE.has(request.method!) || !isForeign(request, cors)) return;
  throw new GatewayError(
    'PERMISSION_DENIED',
    'ORIGIN_NOT_ALLOWED',
    'a web page of this origin may not change anything: CORS_ORIGINS lists the origins that may',
  );
}

/** Whether a request is of a page of another origin that `cors` does not allow. */
export function isForeign({ headers: { origin, host } }: IncomingMessage, cors: Cors | undefined): boolean {
  return origin !== undefined && !cors?.allows(origin) && !isOwn(origin, host);
}

/** Whether it is where the request went; the scheme may differ behind a proxy that ends TLS. */
function isOwn(origin: string, host: string | undefined): boolean {
  const scheme = /^https?:\/\//.exec(origin)?.[0];
  return scheme !== undefined && host !== undefined && URL.parse(`${scheme}${host}`)?.origin === origin;
}
