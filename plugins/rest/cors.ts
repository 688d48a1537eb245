import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';

const ORIGIN = 'must be an origin as browsers send it, like https://host or http://host:3000, or * alone';

/** What may call from the page of another origin (fetch.spec.whatwg.org, "CORS protocol"). */
export const corsSettings = z.strictObject({
  /** 'https://app.example.com'; or ['*'], any. */
  origins: z
    .array(z.string().refine((text) => text === '*' || isOrigin(text), ORIGIN))
    .min(1)
    .refine((origins) => origins.length === 1 || !origins.includes('*'), ORIGIN),
  /** How long a browser may remember what it was allowed. */
  maxAgeSeconds: z.number().int().min(0).max(86_400).default(600),
});

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

const REQUEST_HEADERS =
  'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id';
const RESPONSE_HEADERS = 'ETag, Location, Retry-After, X-Request-Id';

/**
 * Lets the pages of some origins read the answers. Others are served without these headers, and their browser keeps
 * the answer from them; what may change something they are refused (origin.ts). Cookies and HTTP authentication of the browser are never allowed: a token is a header that a
 * page sets itself.
 */
export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #maxAge: string;

  constructor({ origins, maxAgeSeconds }: z.output<typeof corsSettings>) {
    this.#origins = new Set(origins);
    this.#maxAge = String(maxAgeSeconds);
  }

  /** For every answer, errors too. */
  setHeaders(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Vary', 'Origin');
    const allowed = this.#allowed(request);
    if (allowed === undefined) return;
    response.setHeader('Access-Control-Allow-Origin', allowed);
    response.setHeader('Access-Control-Expose-Headers', RESPONSE_HEADERS);
  }

  /** Whether a browser asks what a page of its origin may do. */
  isPreflight(request: IncomingMessage): boolean {
    return (
      request.method === 'OPTIONS' &&
      request.headers['access-control-request-method'] !== undefined &&
      this.#allowed(request) !== undefined
    );
  }

  /** Answers that. */
  allow(response: ServerResponse, methods: readonly string[]): void {
    response.setHeader('Access-Control-Allow-Methods', methods.join(', '));
    response.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
    response.setHeader('Access-Control-Max-Age', this.#maxAge);
  }

  /** Whether a page of this origin may call. */
  allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin);
  }

  #allowed({ headers: { origin } }: IncomingMessage): string | undefined {
    if (origin === undefined || !this.allows(origin)) return undefined;
    return this.#origins.has('*') ? '*' : origin;
  }
}
