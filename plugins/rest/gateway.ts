import type { IncomingMessage, ServerResponse } from 'node:http';
import Koa from 'koa';
import type { Api } from '../../core/contracts/api.ts';
import { CallError } from '../../core/contracts/api.ts';
import type { HttpRoute } from '../../core/contracts/http.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { requestIdOf } from '../../core/lib/request-id.ts';
import { answer, answerAndClose, sendAnswer } from './answer.ts';
import { ClientGone, hasBody, mustClose, readBody } from './body.ts';
import type { Cors } from './cors.ts';
import { Departure } from './departure.ts';
import { badRequest, errorAnswer, GatewayError } from './errors.ts';
import type { Gzip } from './gzip.ts';
import { checkOrigin } from './origin.ts';
import { checkNoneMatch } from './preconditions.ts';
import { commonHeaders, malformed } from './refusal.ts';
import { represent } from './represent.ts';
import type { Path, Router } from './router.ts';
import { splitPath } from './router.ts';
import type { MethodRoute } from './routes.ts';
import { setStreamHeaders } from './streams/body.ts';
import { formatFor } from './streams/format.ts';
import { answerStream, type Streams } from './streams/http-stream.ts';
import type { WebSockets } from './streams/web-sockets.ts';
import type { Route } from './table.ts';
import { pathAndQuery, type Target } from './target.ts';
import { decodeRequest } from './transcode.ts';

export interface GatewayOptions {
  readonly api: Api;
  readonly router: Router<Route>;
  readonly maxBodyBytes: number;
  /** Undefined: no page of another origin may read an answer or change anything. */
  readonly cors: Cors | undefined;
  /** Undefined: nothing is compressed. */
  readonly gzip: Gzip | undefined;
  readonly log: Logger;
  readonly streams: Streams;
  readonly webSockets: WebSockets;
  /** While it is there, no answer may leave before it settles. */
  readonly held: () => Promise<void> | undefined;
  /** True where the answer has to close its connection. */
  readonly closesAfter: (response: ServerResponse) => boolean;
}

/** A request on its way through the gateway. */
interface Exchange {
  readonly ctx: Koa.Context;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly departure: Departure;
}

const NO_PATH =
  'nothing has this path: those of the API stand at google.api.http in the proto files, which gRPC reflection also shows';

/** HTTP in, calls of the API in process, JSON out. */
export function createGateway(options: GatewayOptions): Koa {
  const { log } = options;
  const app = new Koa();
  // Koa would write errors to the console. What reaches it is about sockets: everything else is answered below.
  app.on('error', (err: unknown) => log.debug({ err }, 'a connection failed'));
  app.use(async (ctx) => {
    const exchange = open(ctx);
    options.cors?.setHeaders(ctx.req, ctx.res);
    try {
      await serve(options, exchange);
    } catch (error) {
      fail(options, exchange, error);
    }
    const { response } = exchange;
    const held = options.held();
    if (held) await held;
    if (!response.headersSent && options.closesAfter(response)) response.setHeader('Connection', 'close');
    sendAnswer(ctx);
  });
  return app;
}

function open(ctx: Koa.Context): Exchange {
  const { req: request, res: response } = ctx;
  const given = request.headers['x-request-id'];
  const requestId = requestIdOf(typeof given === 'string' ? given : undefined);
  const headers = commonHeaders(requestId);
  for (const name in headers) response.setHeader(name, headers[name]!);
  return { ctx, request, response, requestId, departure: new Departure(response) };
}

/** Also throws at once. */
function serve(options: GatewayOptions, exchange: Exchange): Promise<void> | void {
  const { request, response, ctx } = exchange;
  checkHeaders(request);
  const method = request.method!;
  const target = pathAndQuery(request.url!);
  if (method === 'OPTIONS' && target.path === '*') return answer(ctx, 204, undefined);
  const path = target.path.startsWith('/') ? splitPath(target.path) : undefined;
  if (path === undefined) throw badRequest('INVALID_PATH', 'the path is not percent-encoded UTF-8');

  const isPreflight = options.cors?.isPreflight(request) ?? false;
  const found = isPreflight ? undefined : options.router.match(method, path);
  if (found === undefined) {
    const allowed = options.router.allowed(path);
    if (allowed.length === 0) throw new GatewayError('NOT_FOUND', 'PATH_NOT_FOUND', NO_PATH);
    if (method !== 'OPTIONS') throw methodNotAllowed(method, allowed);
    response.setHeader('Allow', allowed.join(', '));
    if (isPreflight) {
      // A path that takes any method lists none.
      const asked = request.headers['access-control-request-method']!;
      const isMore = !allowed.includes(asked) && options.router.match(asked, path) !== undefined;
      options.cors?.allow(response, isMore ? [...allowed, asked] : allowed);
    }
    return answer(ctx, 204, undefined);
  }
  if (found.kind === 'method') return call(options, exchange, found.route, path, target.query);
  return show(exchange, found.page, target);
}

async function show({ ctx, response, departure }: Exchange, route: HttpRoute, target: Target): Promise<void> {
  const query = new URLSearchParams(target.query);
  const page = await route.handle({ path: target.path, query, signal: departure.toSignal() });
  response.setHeader('Content-Type', page.contentType);
  answer(ctx, page.status, page.body);
}

async function call(
  options: GatewayOptions,
  { ctx, request, response, requestId, departure }: Exchange,
  route: MethodRoute,
  path: Path,
  query: string,
): Promise<void> {
  const { api, maxBodyBytes, cors, gzip, streams, webSockets, log } = options;
  const { headers } = request;
  checkOrigin(request, cors);
  if (route.method.responseStream) webSockets.check(request);
  const format = route.method.responseStream ? formatFor(ctx) : undefined;
  const known = checkNoneMatch(headers, route.method.policy.effect);
  const body = hasBody(request) ? await readBody(request, response, maxBodyBytes) : undefined;
  const message = decodeRequest(route, { path, query, body, headers }, api.registry);
  const header = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  const peer = () => request.socket.remoteAddress;
  const origin = { requestId, signal: departure, header, peer };
  if (format !== undefined) {
    if (request.method === 'HEAD') {
      answer(ctx, 200, undefined);
      return setStreamHeaders(response, format);
    }
    ctx.respond = false;
    return answerStream(api, route, message, { response, departure, format, origin, log }, streams);
  }
  const bytes = await api.unary(route.method, message, origin);
  const representing = represent(ctx, route.write(bytes), known, gzip);
  if (representing !== undefined) await representing;
}

function fail({ log, maxBodyBytes }: GatewayOptions, exchange: Exchange, error: unknown): void {
  const { ctx, request, response, requestId } = exchange;
  if (error instanceof ClientGone || response.destroyed) {
    ctx.respond = false;
    return;
  }
  const { status, headers, body } = errorAnswer(error);
  if (error instanceof GatewayError) log.debug({ requestId, status, reason: error.reason }, 'request refused');
  else if (!(error instanceof CallError))
    log.error({ requestId, err: error }, 'a request failed for a reason nobody foresaw');
  response.setHeader('Content-Type', 'application/json');
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (headers['Connection'] === 'close' || mustClose(request, maxBodyBytes)) answerAndClose(ctx, status, body);
  else answer(ctx, status, body);
}

/** What HTTP/1.1 itself asks of a request. Afterwards it is not certain where the next one begins. */
function checkHeaders({ httpVersion, headers }: IncomingMessage): void {
  if (httpVersion !== '1.1') return;
  if (headers.host === undefined) throw malformed('the header Host is missing');
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    throw new GatewayError('INVALID_ARGUMENT', 'EXPECTATION_FAILED', 'nothing but 100-continue can be expected', {
      httpStatus: 417,
      headers: { Connection: 'close' },
    });
}

function methodNotAllowed(method: string, allowed: readonly string[]): GatewayError {
  return new GatewayError(
    'UNIMPLEMENTED',
    'METHOD_NOT_ALLOWED',
    `${method} does not work here: use ${allowed.join(', ')}`,
    {
      httpStatus: 405,
      headers: { Allow: allowed.join(', ') },
    },
  );
}
