import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ListeningServer } from '../../core/contracts/servers.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** Milliseconds. A request has to arrive in these times; an answer may take longer. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 60_000;
const TIMEOUT_CHECK = 5_000;
/** Above the idle time of the usual load balancers (60 s), so that they close first. */
const KEEP_ALIVE_TIMEOUT = 65_000;
const SWEEP = 50;

/**
 * node:http with bounds. What is not HTTP, too slow or too big in its headers gets node's own plain 400, 408 or 431.
 */
export class HttpServer implements ListeningServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
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
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
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
    server.on('request', listener);
    // The reader of the body says "continue", when it is to be read at all.
    server.on('checkContinue', listener);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ port, host }, resolve);
    try {
      await promise;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const why = code === 'EADDRINUSE' ? 'something else listens there' : message;
      throw Object.assign(
        new Error(`cannot listen on HTTP port ${port}${host ? ` of ${host}` : ''}: ${why}`, { cause }),
        {
          code,
        },
      );
    } finally {
      server.off('error', reject);
    }
  }

  /** Takes no more connections, lets the requests in hand finish, and cuts what is left when the signal is aborted. */
  async drain(signal: AbortSignal): Promise<void> {
    if (!this.#server.listening) return;
    this.#isDraining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // close() also ends idle connections, but not those that have not asked anything yet.
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    // An answer that was under way when close() ran may have promised to keep its connection.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP);
    const force = () => this.#server.closeAllConnections();
    if (signal.aborted) force();
    signal.addEventListener('abort', force, { once: true });
    await promise;
    clearInterval(sweep);
    signal.removeEventListener('abort', force);
  }

  /** At once. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
