import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Milliseconds between two looks for quiet connections. */
const SWEEP = 50;

interface Connection {
  /** Requests whose answers have not left. */
  answering: number;
  /** Up to the end of the last exchange. */
  bytesRead: number;
  /** When the last exchange ended, or the connection began; performance.now(). */
  quietSince: number;
  newest: { readonly request: IncomingMessage; readonly response: ServerResponse } | undefined;
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
      isClosing: false,
      endedAt: undefined,
    });
    socket.once('close', () => this.#open.delete(socket));
  }

  /** False for a request whose answer could not be sent any more: it must not have an effect either. */
  begin(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.isClosing || saysClose(connection)) return false;
    connection.newest = { request, response };
    connection.answering++;
    const note = () => {
      connection.bytesRead = socket.bytesRead;
      connection.quietSince = performance.now();
    };
    response.once('close', () => {
      connection.answering--;
      if (request.complete) note();
      else request.once('close', note);
    });
    return true;
  }

  /** No request came behind the one that this answers. */
  isNewest(response: ServerResponse): boolean {
    return this.#open.get(response.req.socket)?.newest?.response === response;
  }

  /** The last request that began, if it is still being answered. */
  answeringOn(socket: Socket): Connection['newest'] {
    const connection = this.#open.get(socket);
    return connection === undefined || connection.answering === 0 ? undefined : connection.newest;
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

function saysClose({ newest }: Connection): boolean {
  return newest?.response.getHeader('Connection') === 'close';
}

/** Nothing is asked, nor has a request begun to come in. */
function isQuiet(socket: Socket, { answering, bytesRead }: Connection): boolean {
  return answering === 0 && socket.bytesRead === bytesRead;
}
