import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Server as NetServer } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { ListeningServer } from '../../core/contracts/servers.ts';
import { Connections } from './connections.ts';
import { type ParserError, refuse } from './refusal.ts';

/** Milliseconds between two looks for new connections while listening stops; so many without any; so many in all. */
const ACCEPT_LOOK = 5;
const ACCEPT_QUIET = 3;
const ACCEPT_LOOKS = 40;

export interface ServerOptions {
  /** How long a connection has to be quiet while draining until it is ended, in milliseconds. */
  readonly idleGraceMs: number;
  /** Of the request line and the headers of a request. */
  readonly maxHeaderBytes: number;
  /** Milliseconds for the headers of a request, and for all of it, to arrive. An answer may take longer. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Milliseconds that a connection may wait for its next request. */
  readonly keepAliveTimeoutMs: number;
  /** Milliseconds in which a caller has to take at least something of an answer that is ready. */
  readonly stalledAnswerMs: number;
  /** Further ones are closed as they come. */
  readonly maxConnections: number;
}

/** Requests that ask to go on in another protocol. */
export interface Upgrades {
  /** Where it is false, the request is answered as any other. */
  wants(request: IncomingMessage): boolean;
  take(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/** node:http with bounds. */
export class HttpServer implements ListeningServer {
  readonly #server: Server;
  readonly #connections = new Connections();
  readonly #idleGraceMs: number;
  readonly #stalledAnswerMs: number;
  #isDraining = false;
  #accepted = 0;
  #held: Promise<void> | undefined;
  #upgrades: Upgrades | undefined;

  constructor(options: ServerOptions) {
    const { headersTimeoutMs, requestTimeoutMs } = options;
    this.#idleGraceMs = options.idleGraceMs;
    this.#stalledAnswerMs = options.stalledAnswerMs;
    this.#server = createServer({
      // Node refuses as many.
      maxHeaderSize: options.maxHeaderBytes + 1,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.ceil(headersTimeoutMs / 2),
      keepAliveTimeout: options.keepAliveTimeoutMs,
      keepAlive: true,
      // The listener refuses a request without the header Host, as it answers everything that can be parsed.
      requireHostHeader: false,
      // Answers to the requests before it would come in between.
      shouldUpgradeCallback: (request) =>
        this.#connections.answeringOn(request.socket) === undefined && (this.#upgrades?.wants(request) ?? false),
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrades?.take(request, socket as Socket, head));
    this.#server.maxConnections = options.maxConnections;
    // Their size is bounded. Above a number, node would leave the others out without a word.
    this.#server.maxHeadersCount = 0;
    this.#server.on('connection', (socket: Socket) => {
      this.#accepted++;
      this.#connections.add(socket);
    });
    this.#server.on('clientError', (error, socket) => this.#refuse(error, socket as Socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Answers wait for it while the server stops listening. */
  get held(): Promise<void> | undefined {
    return this.#held;
  }

  /** True where an answer has to say that its connection closes: the last one of each while draining. */
  closesAfter(response: ServerResponse): boolean {
    return this.#isDraining && this.#connections.isNewest(response);
  }

  /** Port 0 takes a free one; no host is all interfaces. Rejects with the code of node's error: EADDRINUSE. */
  async listen(port: number, host: string | undefined, listener: RequestListener, upgrades?: Upgrades): Promise<void> {
    this.#upgrades = upgrades;
    const server = this.#server;
    const onRequest: RequestListener = (request, response) => {
      response.on('prefinish', () => this.#cutStalled(response));
      this.#connections.begin(request, response, () => listener(request, response));
    };
    server.on('request', onRequest);
    // The reader of the body says "continue", when it is to be read at all.
    server.on('checkContinue', onRequest);
    server.on('checkExpectation', onRequest);
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

  /**
   * Takes no more connections, answers what is in hand and what still comes on open connections, ends each behind its
   * next answer or when it is quiet, and cuts what is left when the signal is aborted. `onStopped` is called when it no
   * longer listens.
   */
  async drain(signal: AbortSignal, onStopped: () => void = () => {}): Promise<void> {
    if (!this.#server.listening || this.#isDraining) return;
    this.#isDraining = true;
    const { promise, resolve } = Promise.withResolvers<void>();
    await this.#stopListening(signal, resolve);
    onStopped();
    const sweeping = this.#connections.endQuiet(this.#idleGraceMs);
    const force = () => this.#connections.destroyAll();
    if (signal.aborted) force();
    signal.addEventListener('abort', force, { once: true });
    await promise;
    sweeping.stop();
    signal.removeEventListener('abort', force);
  }

  /**
   * Stops listening; `onClosed` is called when the last connection is closed. The system resets the connections that wait
   * to be accepted in that moment. Callers whose answers are held back open no new ones, so that soon none waits.
   */
  async #stopListening(signal: AbortSignal, onClosed: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    let seen = this.#accepted;
    for (let looks = 0, quiet = 0; looks < ACCEPT_LOOKS && quiet < ACCEPT_QUIET && !signal.aborted; looks++) {
      await setTimeout(ACCEPT_LOOK);
      // In the phase behind the one that accepts.
      await setImmediate();
      quiet = seen === this.#accepted ? quiet + 1 : 0;
      seen = this.#accepted;
    }
    // The close() of http.Server also ends connections that it takes for idle. That of net.Server only stops listening.
    NetServer.prototype.close.call(this.#server, onClosed);
    this.#held = undefined;
    resolve();
  }

  /** The answer is written. Its caller has to read it, or it would stay in memory for as long as the caller likes. */
  #cutStalled(response: ServerResponse): void {
    const { socket } = response;
    if (!socket || socket.writableLength === 0) return;
    // Counts from the last progress, and closes the connection. Before node sets the time for the next request, it ends.
    socket.setTimeout(this.#stalledAnswerMs);
    response.prependOnceListener('finish', () => socket.setTimeout(0));
  }

  /** What cannot be parsed, or came too slowly. The requests before it are answered first. */
  #refuse(error: ParserError, socket: Socket): void {
    // The parser repeats its error with every byte that follows.
    if (!this.#connections.refuse(socket)) return;
    const answering = this.#connections.answeringOn(socket);
    if (answering === undefined) refuse(socket, error);
    else if (answering.request.complete) answering.response.once('close', () => refuse(socket, error));
    // The body of this request is what cannot be read.
    else if (answering.isWaiting) this.#connections.replaceLast(socket, () => refuse(socket, error));
    else if (answering.response.headersSent) socket.destroy();
    else refuse(socket, error, String(answering.response.getHeader('X-Request-Id')));
  }

  /** At once. */
  close(): void {
    this.#server.close();
    this.#connections.destroyAll();
  }
}
