import type { Socket } from 'node:net';
import type { Message } from '@bufbuild/protobuf';
import type { WebSocket } from 'ws';
import { type Api, CallError, type CallOrigin } from '../../../core/contracts/api.ts';
import { type DomainError, isDomainError } from '../../../core/contracts/errors.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { shuttingDown } from '../../../core/lib/open-streams.ts';
import { Ending } from '../departure.ts';
import { errorAnswer, GatewayError } from '../errors.ts';
import type { Path } from '../router.ts';
import type { MethodRoute } from '../routes.ts';
import { decodeJson } from '../transcode.ts';
import type { Beating } from './heartbeats.ts';
import { Outlet, Turn } from './outlet.ts';
import { readSocketRequest, type SocketRequest, socketMessage } from './socket-messages.ts';

/** Close codes; those from 4000 on are of the protocol. */
const closeCodes = { goingAway: 1001, badMessage: 4400, idInUse: 4409 } as const;

/** Milliseconds for the other side to close too. */
const CLOSE_MS = 2000;
/** Bytes of the reason of a close frame at most (RFC 6455, 5.5). */
const MAX_REASON = 123;

export interface StreamSocketOptions {
  readonly api: Api;
  readonly route: MethodRoute;
  readonly path: Path;
  /** Of the request that became the WebSocket: each subscription's call has it. */
  readonly origin: Omit<CallOrigin, 'signal'>;
  readonly maxSubscriptions: number;
  readonly stalledMs: number;
  readonly log: Logger;
}

/** One WebSocket and its subscriptions: each is a call of the method that the route is of. */
export class StreamSocket implements Beating {
  readonly #ws: WebSocket;
  readonly #options: StreamSocketOptions;
  readonly #outlet: Outlet;
  readonly #subscriptions = new Map<string, Ending>();
  /** Calls that have not ended, those included whose subscription has. */
  #running = 0;
  #isDraining = false;
  #isClosed = false;
  #isAlive = true;

  constructor(ws: WebSocket, socket: Socket, options: StreamSocketOptions) {
    this.#ws = ws;
    this.#options = options;
    this.#outlet = new Outlet(socket, socket, options.stalledMs);
    socket.on('timeout', () => ws.terminate());
    const alive = () => {
      this.#isAlive = true;
    };
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      this.#receive(data, isBinary);
      this.#holdBack();
      alive();
    });
    // ws answers pings by itself, and cuts who sends them and does not take the answers.
    ws.on('ping', alive).on('pong', alive);
    // ws closes it, with the code that fits: too large, no UTF-8, no frame.
    ws.on('error', (err) => options.log.debug({ err }, 'a WebSocket failed'));
    ws.on('close', () => this.#endAll());
  }

  /** Asks for a sign of life, and cuts who gave none since the last time. Who does not take what there is has a time for that. */
  beat(): void {
    if (this.#isClosed) return;
    // It sees no ping before it has taken what there is; then it gets one, with all the time to answer.
    if (this.#outlet.isFull) this.#isAlive = true;
    else if (this.#isAlive) {
      this.#isAlive = false;
      this.#ws.ping();
    } else setImmediate(() => this.#cutDead());
  }

  /** In the phase behind the one that reads: what had come by then was seen. */
  #cutDead(): void {
    if (!this.#isAlive) this.#ws.terminate();
  }

  /** Tells each subscription where to go on from, elsewhere, and closes. */
  drain(): void {
    this.#isDraining = true;
    const end = shuttingDown();
    for (const ending of this.#subscriptions.values()) ending.abort(end);
    this.#closeIfDrained();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#isClosed || this.#isDraining) return;
    let message: SocketRequest;
    try {
      if (isBinary) throw new GatewayError('INVALID_ARGUMENT', 'INVALID_SOCKET_MESSAGE', 'a message is text');
      message = readSocketRequest(data, this.#options.route.input);
    } catch (error) {
      if (!isDomainError(error)) throw error;
      this.#close(closeCodes.badMessage, error.message);
      return;
    }
    const { id } = message;
    const known = this.#subscriptions.get(id);
    if (message.type === 'subscribe' && known === undefined) this.#subscribe(id, message.request, data);
    else if (message.type === 'subscribe') this.#close(closeCodes.idInUse, 'a subscription with this id is open');
    else if (known !== undefined) {
      this.#subscriptions.delete(id);
      known.abort();
      this.#ws.send(socketMessage.complete(id));
    }
  }

  #subscribe(id: string, request: Extract<SocketRequest, { type: 'subscribe' }>['request'], data: Buffer): void {
    const { api, route, path, maxSubscriptions } = this.#options;
    try {
      if (this.#subscriptions.size >= maxSubscriptions) throw tooMany(maxSubscriptions);
      const message = decodeJson(route, request, data, path, api.registry);
      const ending = new Ending();
      this.#subscriptions.set(id, ending);
      this.#run(id, message, ending);
    } catch (error) {
      this.#ws.send(socketMessage.error(id, errorAnswer(error).body));
    }
  }

  /** Never rejects. */
  async #run(id: string, message: Message, ending: Ending): Promise<void> {
    const { api, route, origin, log } = this.#options;
    const turn = new Turn(this.#outlet);
    const isOpen = () => this.#subscriptions.get(id) === ending && !this.#isClosed;
    this.#running++;
    let end = socketMessage.complete(id);
    try {
      const call = { ...origin, signal: ending, onOver: () => turn.over() };
      for await (const bytes of api.serverStream(route.method, message, call)) {
        if (!isOpen()) break;
        this.#ws.send(socketMessage.next(id, route.write(bytes).body));
        if (this.#outlet.isFull) await turn.come();
      }
    } catch (error) {
      if (!(error instanceof CallError)) log.error({ err: error }, 'a message of a stream could not be written');
      end = socketMessage.error(id, errorAnswer(error).body);
    }
    this.#running--;
    if (isOpen()) {
      this.#subscriptions.delete(id);
      this.#ws.send(end);
    }
    if (this.#isDraining) this.#closeIfDrained();
  }

  /** Who does not take the answers is not read on. */
  #holdBack(): void {
    if (!this.#outlet.isFull || this.#ws.isPaused) return;
    this.#ws.pause();
    this.#outlet.whenEmpty(() => this.#ws.resume());
  }

  #closeIfDrained(): void {
    if (this.#running === 0) this.#close(closeCodes.goingAway, 'the server is shutting down');
  }

  #close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#ws.close(code, reason.replace(/[^ -~]/g, '?').slice(0, MAX_REASON));
    this.#endAll();
    const timer = setTimeout(() => this.#ws.terminate(), CLOSE_MS).unref();
    this.#ws.once('close', () => clearTimeout(timer));
  }

  #endAll(): void {
    this.#isClosed = true;
    for (const ending of this.#subscriptions.values()) ending.abort();
    this.#subscriptions.clear();
  }
}

function tooMany(limit: number): DomainError {
  return new GatewayError(
    'RESOURCE_EXHAUSTED',
    'TOO_MANY_SUBSCRIPTIONS',
    `a WebSocket has at most ${limit} subscriptions: end one, or open another`,
  );
}
