import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Server as NetServer } from 'node:net';
import type { ListeningServer } from '../../core/contracts/servers.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** Milliseconds. A request has to arrive in these times; an answer may take longer. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 60_000;
const TIMEOUT_CHECK = 5_000;
/** Above the idle time of the usual load balancers (60 s), so that they close first. */
const KEEP_ALIVE_TIMEOUT = 65_000;
/** Between two looks for idle connections while draining. */
const SWEEP = 50;

interface Connection {
  /** Requests whose answers have not left. */
  answering: number;
  /** Up to the end of the last exchange. */
  bytesRead: number;
}

/** Nothing is asked, nor has a request begun to come in. */
function isIdle(socket: Socket, { answering, bytesRead }: Connection): boolean {
  return answering === 0 && socket.bytesRead === bytesRead;
}

/**
 * node:http with bounds. What is not HTTP, too slow or too big in its headers gets node's own plain 400, 408 or 431.
 */
export class HttpServer implements ListeningServer {
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  #isDraining = false;

  constructor() {
    this.#server = createServer({
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: TIMEOUT_CHECK,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      keepAlive: true,
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#connections.set(socket, { answering: 0, bytesRead: 0 });
      socket.once('close', () => this.#connections.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Port 0 takes a free one; no host is all interfaces. Rejects with the code of node's error: EADDRINUSE. */
  async listen(port: number, host: string | undefined, listener: RequestListener): Promise<void> {
    const server = this.#server;
    const onRequest: RequestListener = (request, response) => {
      this.#track(request, response);
      listener(request, response);
    };
    server.on('request', onRequest);
    // The reader of the body says "continue", when it is to be read at all.
    server.on('checkContinue', onRequest);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ port, host }, resolve);
    try {
      await promise;
    } catch (cause) {
      const { code, message: text } = cause as NodeJS.ErrnoException;
      const why = code === 'EADDRINUSE' ? 'something else listens there' : text;
      const message = `cannot listen on HTTP port ${port}${host ? ` of ${host}` : ''}: ${why}`;
      throw Object.assign(new Error(message, { cause }), { code });
    } finally {
      server.off('error', reject);
    }
  }

  /** Takes no more connections, lets the requests in hand finish, and cuts what is left when the signal is aborted. */
  async drain(signal: AbortSignal): Promise<void> {
    if (!this.#server.listening) return;
    this.#isDraining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    // The close() of http.Server also ends connections that it takes for idle: those too whose answer is written and
    // has not left yet. That of net.Server only stops listening.
    NetServer.prototype.close.call(this.#server, () => resolve());
    const closeIdle = () => {
      for (const [socket, connection] of this.#connections) if (isIdle(socket, connection)) socket.destroy();
    };
    closeIdle();
    // An answer that promised to keep its connection may leave after this.
    const sweep = setInterval(closeIdle, SWEEP);
    const force = () => this.#server.closeAllConnections();
    if (signal.aborted) force();
    signal.addEventListener('abort', force, { once: true });
    await promise;
    clearInterval(sweep);
    signal.removeEventListener('abort', force);
  }

  #track(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.answering++;
    const note = () => {
      connection.bytesRead = socket.bytesRead;
    };
    response.once('close', () => {
      connection.answering--;
      if (request.complete) note();
      else request.once('close', note);
    });
  }

  /** At once. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
