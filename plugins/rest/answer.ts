import type { Context } from 'koa';
import { statusText } from './errors.ts';

/** How much of an unread body is read and thrown away, and for how long, so that the caller sees the answer. */
const LINGER_BYTES = 8 * 1024 * 1024;
const LINGER_MS = 2000;

/** Its Content-Type is set before. `sendAnswer` sends it: what Koa would look for in a body is known here. */
export function answer(ctx: Context, status: number, body: string | Uint8Array | undefined): void {
  const { res } = ctx;
  ctx.respond = false;
  ctx.state['answer'] = body;
  setStatus(ctx, status);
  if (body === undefined) res.removeHeader('Content-Type');
  else res.setHeader('Content-Length', Buffer.byteLength(body));
}

/** Node leaves the body of a HEAD request out. */
export function sendAnswer({ res, state }: Context): void {
  if (!res.headersSent) res.end(state['answer']);
}

/**
 * Answers a request whose body is not read to its end, then closes the connection. To close it at once would reset
 * it while the caller still writes, and the caller would never see the answer (RFC 9112, 9.6).
 */
export function answerAndClose(ctx: Context, status: number, body: string): void {
  const { req, res } = ctx;
  ctx.respond = false;
  setStatus(ctx, status);
  res.setHeader('Connection', 'close');
  res.setHeader('Content-Length', Buffer.byteLength(body));
  res.write(body);
  let left = LINGER_BYTES;
  const end = () => {
    clearTimeout(timer);
    req.off('data', onData);
    res.end();
  };
  const onData = (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) end();
  };
  const timer = setTimeout(end, LINGER_MS);
  req
    .on('data', onData)
    .once('end', end)
    .once('close', end)
    .on('error', () => {});
  req.resume();
}

/** Past Koa's own setter, which refuses 499. */
function setStatus({ res }: Context, status: number): void {
  res.statusCode = status;
  res.statusMessage = statusText(status);
}
