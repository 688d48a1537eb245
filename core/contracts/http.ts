import { point } from '../kernel/plugin.ts';

/** Plain pages beside the API: health, metrics, documents. They bypass the call pipeline and may show no data. */
export interface HttpRoute {
  readonly method: 'GET';
  /** An exact path: '/healthz'. */
  readonly path: string;
  handle(request: HttpPageRequest): Promise<HttpPage>;
}

export interface HttpPageRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

export interface HttpPage {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export const httpRoutes = point<HttpRoute>('http.routes', 'collector-last');
