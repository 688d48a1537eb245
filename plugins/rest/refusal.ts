import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { errorAnswer, GatewayError, statusText } from './errors.ts';

/** Milliseconds for which more is read and thrown away, so that the caller sees the answer. */
const LINGER = 2000;

/** The headers that every answer begins with. */
export function commonHeaders(requestId: string): Readonly<Record<string, string>> {
  return {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  };
}

/** As node's parser throws it, with what it was reading. */
export interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

/** Answers what node's parser does not take for a request, and closes the connection. */
export function refuse(socket: Socket, error: ParserError, requestId: string = randomUUID()): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = errorAnswer(protocolError(error.code));
  const headers = {
    ...commonHeaders(requestId),
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    Date: new Date().toUTCString(),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // The answer to HEAD has no body (RFC 9112, 6.3); its method is known where the whole request came at once.
  const shown = error.rawPacket?.toString('latin1', 0, 5) === 'HEAD ' ? '' : body;
  socket.end(`HTTP/1.1 ${status} ${statusText(status)}\r\n${lines.join('')}\r\n${shown}`);
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}

/** By the code of node's error, which stays inside: its text may repeat what was sent. */
function protocolError(code: string | undefined): GatewayError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('INVALID_ARGUMENT', 'HEADERS_TOO_LARGE', 'the headers are too large', {
        httpStatus: 431,
      });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new GatewayError('INVALID_ARGUMENT', 'BODY_TOO_LARGE', 'the extensions of a chunk are too large', {
        httpStatus: 413,
      });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('DEADLINE_EXCEEDED', 'REQUEST_TIMEOUT', 'the request did not arrive in time', {
        httpStatus: 408,
      });
    case 'HPE_INVALID_METHOD':
      return malformed('the request line has no method that HTTP knows');
    default:
      return malformed('this is not a request in HTTP/1.1');
  }
}

export function malformed(message: string): GatewayError {
  return new GatewayError('INVALID_ARGUMENT', 'MALFORMED_REQUEST', message, { headers: { Connection: 'close' } });
}
