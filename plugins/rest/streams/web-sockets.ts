import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Api } from '../../../core/contracts/api.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { requestIdOf } from '../../../core/lib/request-id.ts';
import type { Cors } from '../cors.ts';
import { badRequest, GatewayError } from '../errors.ts';
import { isForeign } from '../origin.ts';
import type { Path, Router } from '../router.ts';
import { splitPath } from '../router.ts';
import type { MethodRoute } from '../routes.ts';
import type { Route } from '../table.ts';
import { pathAndQuery } from '../target.ts';
import type { Streams } from './http-stream.ts';
import { PROTOCOL } from './socket-messages.ts';
import { StreamSocket } from './stream-socket.ts';

export interface WebSocketOptions {
  readonly api: Api;
  readonly router: Router<Route>;
  readonly cors: Cors | undefined;
  readonly streams: Streams;
  readonly maxSubscriptions: number;
  /** Of one message from a client. */
  readonly maxMessageBytes: number;
  readonly log: Logger;
}

/** WebSockets at the routes of methods that stream (RFC 6455). */
export class WebSockets {
  readonly #options: WebSocketOptions;
  readonly #server: WebSocketServer;

  constructor(options: WebSocketOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxMessageBytes,
      handleProtocols: () => PROTOCOL,
    });
  }

  /** Whether a request becomes a WebSocket. What is wrong with one that does not, `check` says when it is served. */
  wants(request: IncomingMessage): boolean {
    if (!asksForWebSocket(request) || this.#find(request) === undefined) return false;
    try {
      this.check(request);
      return true;
    } catch {
      return false;
    }
  }

  /** Throws GatewayError where the request asks for a WebSocket and may not have it. Its path is that of a stream. */
  check(request: IncomingMessage): void {
    if (!asksForWebSocket(request)) return;
    const { cors, streams } = this.#options;
    const { headers } = request;
    if (isForeign(request, cors))
      throw new GatewayError(
        'PERMISSION_DENIED',
        'ORIGIN_NOT_ALLOWED',
        'a web page of this origin may not open a WebSocket: CORS_ORIGINS lists the origins that may',
      );
    if (headers['sec-websocket-version'] !== '13')
      throw new GatewayError('INVALID_ARGUMENT', 'WEBSOCKET_VERSION', 'WebSockets here are of version 13', {
        httpStatus: 426,
        headers: { 'Sec-WebSocket-Version': '13', Upgrade: 'websocket' },
      });
    if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
      throw badRequest('WEBSOCKET_KEY', 'the header Sec-WebSocket-Key is not 16 bytes in base64');
    const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    if (!protocols.includes(PROTOCOL))
      throw badRequest('WEBSOCKET_PROTOCOL', `the header Sec-WebSocket-Protocol must name ${PROTOCOL}`);
    if (pathAndQuery(request.url!).query !== '')
      throw badRequest(
        'WEBSOCKET_QUERY',
        'a WebSocket takes no query string: each subscription has a request of its own',
      );
    if (streams.open.isEnded)
      throw new GatewayError('UNAVAILABLE', 'SHUTTING_DOWN', 'the server is shutting down: connect again elsewhere');
  }

  /** Of a request that `wants` was true for. */
  take(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const found = this.#find(request);
    if (found === undefined) {
      socket.destroy();
      return;
    }
    const { api, maxSubscriptions, streams, log } = this.#options;
    const given = request.headers['x-request-id'];
    const requestId = requestIdOf(typeof given === 'string' ? given : undefined);
    const name = (headers: string[]) => headers.push(`X-Request-Id: ${requestId}`);
    this.#server.once('headers', name);
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      const { remoteAddress, remotePort } = socket;
      const origin = {
        requestId,
        header: (header: string) => [request.headers[header]].flat().join(', ') || undefined,
        peer: () => remoteAddress,
        connection: () => `${remoteAddress}:${remotePort}`,
      };
      const { open, heartbeats, stalledMs } = streams;
      const one = new StreamSocket(ws, socket, { api, ...found, origin, maxSubscriptions, stalledMs, log });
      const quiet = heartbeats.add(one);
      const closed = open.add(() => one.drain());
      ws.once('close', () => {
        quiet();
        closed();
      });
    });
    this.#server.off('headers', name);
  }

  /** The stream at the path of a request, whatever its method is. */
  #find({ url }: IncomingMessage): { readonly route: MethodRoute; readonly path: Path } | undefined {
    const target = pathAndQuery(url!).path;
    const path = target.startsWith('/') ? splitPath(target) : undefined;
    if (path === undefined) return undefined;
    for (const method of ['GET', 'POST']) {
      const found = this.#options.router.match(method, path);
      if (found?.kind === 'method' && found.route.method.responseStream) return { route: found.route, path };
    }
    return undefined;
  }
}

function asksForWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}
