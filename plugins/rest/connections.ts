import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Milliseconds between two looks for quiet connections. */
const SWEEP = 50;
/** With so many requests that wait for their turn, a connection is not read on. */
const MAX_WAITING = 16;

interface Connection {
  /** Requests whose answers have not left. */
  answering: number;
  /** Up to the end of the last exchange. */
  bytesRead: number;
  /** When the last exchange ended, or the connection began; performance.now(). */
  quietSince: number;
  newest: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined;
  /** What runs the requests whose turn has not come. */
  readonly waiting: (() => void)[];
  /** Refused or ended: no later request can be answered. */
  isClosing: boolean;
  /** When the end of our side was sent. */
  endedAt: number | undefined;
}

/** The open connections of a server, and what is asked on each. */
export class Connections {
  readonly #open = new Map<Socket, Connection>();

  add(socket: Socket): void {
    this.#open.set(socket, {
      answering: 0,
      bytesRead: 0,
      quietSince: performance.now(),
      newest: undefined,
      waiting: [],
      isClosing: false,
      endedAt: undefined,
    });
    socket.once('close', () => this.#open.delete(socket));
  }

  /**
   * Runs a request when its turn has come: those of one connection run one after the other, in their order (RFC 9112,
   * 9.3.2), so that none takes the places of many. One whose answer could not be sent any more is not run: it must not
   * have an effect either.
   */
  begin(request: IncomingMessage, response: ServerResponse, run: () => void): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.isClosing || saysClose(connection)) {
      request.resume();
      return;
    }
    connection.newest = { request, response };
    connection.answering++;
    const note = () => {
      connection.bytesRead = socket.bytesRead;
      connection.quietSince = performance.now();
    };
    response.on('close', () => {
      connection.answering--;
      if (request.complete) note();
      else request.once('close', note);
      if (connection.waiting.length > 0) next(socket, connection);
    });
    if (connection.answering === 1) run();
    else wait(socket, connection, run);
  }

  /** No request came behind the one that this answers. */
  isNewest(response: ServerResponse): boolean {
    return this.#open.get(response.req.socket)?.newest?.response === response;
  }

  /** The last request that began, if it is still being answered. */
  answeringOn(socket: Socket): (NonNullable<Connection['newest']> & { readonly isWaiting: boolean }) | undefined {
    const connection = this.#open.get(socket);
    if (connection?.newest === undefined || connection.answering === 0) return undefined;
    return { ...connection.newest, isWaiting: connection.waiting.length > 0 };
  }

  /** In the turn of the last request that waits, this runs in its place. */
  replaceLast(socket: Socket, run: () => void): void {
    this.#open.get(socket)?.waiting.splice(-1, 1, run);
  }

  /** Takes no more requests. False where that was so before. */
  refuse(socket: Socket): boolean {
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.isClosing) return false;
    connection.isClosing = true;
    return true;
  }

  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /**
   * Until it is stopped, ends each connection that is quiet for `graceMs` from now on: its next request may be under
   * way. Nothing can be answered behind the end, so what crosses it is only read, for as long again: to close at once
   * would reset a caller that still writes.
   */
  endQuiet(graceMs: number): { stop(): void } {
    const began = performance.now();
    const sweep = () => {
      const now = performance.now();
      for (const [socket, connection] of this.#open) {
        if (connection.endedAt !== undefined) {
          if (now - connection.endedAt >= graceMs) socket.destroy();
        } else if (isQuiet(socket, connection) && now - Math.max(connection.quietSince, began) >= graceMs) {
          connection.isClosing = true;
          connection.endedAt = now;
          socket.end();
        }
      }
    };
    // In the phase behind the one that reads: what has come by now was seen.
    setImmediate(sweep);
    const timer = setInterval(() => setImmediate(sweep), SWEEP);
    return { stop: () => clearInterval(timer) };
  }
}

function wait(socket: Socket, { waiting }: Connection, run: () => void): void {
  waiting.push(run);
  // Node reads on when it has parsed a request; this comes behind that.
  if (waiting.length === MAX_WAITING)
    setImmediate(() => {
      if (waiting.length >= MAX_WAITING) socket.pause();
    });
}

function next(socket: Socket, { waiting }: Connection): void {
  const run = waiting.shift();
  if (waiting.length === MAX_WAITING - 1) socket.resume();
  // Behind an answer that closes its connection nothing is answered.
  if (socket.writable) run?.();
  else waiting.length = 0;
}

function saysClose({ newest }: Connection): boolean {
  return newest?.response.getHeader('Connection') === 'close';
}

/** Nothing is asked, nor has a request begun to come in. */
function isQuiet(socket: Socket, { answering, bytesRead }: Connection): boolean {
  return answering === 0 && socket.bytesRead === bytesRead;
}
