import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from './errors.ts';

/** The caller went away while its request was read: there is nobody to answer. */
export class ClientGone extends Error {}

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*(?:utf-8|"utf-8")[ \t]*)?;?[ \t]*$/i;

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Of a request that is answered: what is left of its body is too much, or too uncertain, to skip for the next one. */
export function mustClose(request: IncomingMessage, maxBytes: number): boolean {
  if (request.complete || !hasBody(request)) return false;
  const { headers } = request;
  return !(Number(headers['content-length']) <= maxBytes) || headers.expect !== undefined;
}

/**
 * Reads a body of at most `maxBytes`; undefined where it is empty. Throws GatewayError 413 or 415, or ClientGone.
 * After 413 the rest of the body is unread: the caller closes the connection.
 */
export async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const { headers } = request;
  const length = Number(headers['content-length'] ?? 0);
  const chunked = headers['transfer-encoding'] !== undefined;
  if (length > maxBytes) throw tooLarge(maxBytes);
  // Whether a chunked body without a type is a body at all shows only when it has been read.
  if (!chunked || headers['content-type'] !== undefined) checkType(request);
  if (headers.expect !== undefined) response.writeContinue();
  const body = await collect(request, maxBytes);
  if (body.length === 0) return undefined;
  checkType(request);
  return body;
}

function checkType(request: IncomingMessage): void {
  const type = request.headers['content-type'];
  if (type === undefined || !JSON_TYPE.test(type))
    throw new GatewayError(
      'INVALID_ARGUMENT',
      'UNSUPPORTED_MEDIA_TYPE',
      'a body must be JSON in UTF-8, sent with the header Content-Type: application/json',
      { httpStatus: 415, headers: { Accept: 'application/json' } },
    );
  const coding = request.headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    throw new GatewayError('INVALID_ARGUMENT', 'UNSUPPORTED_MEDIA_TYPE', 'a body must not be compressed', {
      httpStatus: 415,
      headers: { 'Accept-Encoding': 'identity' },
    });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('INVALID_ARGUMENT', 'BODY_TOO_LARGE', `a body may have at most ${maxBytes} bytes`, {
    httpStatus: 413,
  });
}

function collect(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = () => {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        settle();
        request.pause();
        reject(tooLarge(maxBytes));
      } else chunks.push(chunk);
    };
    const onEnd = () => {
      settle();
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    };
    const onClose = () => {
      settle();
      reject(new ClientGone());
    };
    // An 'error' is followed by 'close'; it is listened to so that it is not thrown, also after this has settled.
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', ignore);
  });
}

const ignore = () => {};
