import type { Context } from 'koa';
import { GatewayError } from '../errors.ts';
import type { WrittenJson } from '../json-writer.ts';

/** How a stream is written into the body of a response. */
export interface StreamFormat {
  readonly contentType: string;
  begin(): string;
  /** What was noted is the resume token. */
  message(written: WrittenJson): string;
  /** The end by an error, in its AIP-193 form. The token says where to go on from. */
  error(body: string, resumeToken: string | undefined): string;
  /** The end of a stream that is complete. */
  readonly end: string;
  /** A sign of life that readers skip; undefined where there is none. */
  readonly heartbeat: string | undefined;
}

/** Milliseconds until an EventSource connects again: not the same for all whom a server that stops sends away. */
const RETRY_MIN = 1000;
const RETRY_SPREAD = 2000;

/** Server-sent events (html.spec.whatwg.org, 9.2). The JSON has no line breaks. */
const events: StreamFormat = {
  contentType: 'text/event-stream',
  begin: () => `retry: ${RETRY_MIN + Math.floor(Math.random() * RETRY_SPREAD)}\n\n`,
  message: ({ body, noted }) => `${idLine(noted)}data: ${body}\n\n`,
  error: (body, resumeToken) => `event: error\n${idLine(resumeToken)}data: ${body}\n\n`,
  end: 'event: complete\ndata: {}\n\n',
  heartbeat: ':\n\n',
};

/** A token that cannot stand in a header cannot come back, so none is given. */
function idLine(token: string | undefined): string {
  return token !== undefined && /^[!-~]+$/.test(token) ? `id: ${token}\n` : '';
}

/** A JSON object a line, as grpc-gateway streams: a message cannot be taken for an error. */
const lines: StreamFormat = {
  contentType: 'application/x-ndjson',
  begin: () => '',
  message: ({ body }) => `{"result":${body}}\n`,
  error: (body) => `${body}\n`,
  end: '',
  heartbeat: undefined,
};

/** The first one is for whoever takes anything. */
const formats = [lines, events];

/** All are UTF-8, whether a caller says so or not. */
const types = new Map(formats.flatMap((it) => [it.contentType, `${it.contentType};charset=utf-8`].map((t) => [t, it])));

/** The one that Accept asks for. Throws GatewayError 406. */
export function formatFor(ctx: Context): StreamFormat {
  const taken = ctx.accepts([...types.keys()]);
  const format = taken === false ? undefined : types.get(taken);
  if (format !== undefined) return format;
  throw new GatewayError(
    'INVALID_ARGUMENT',
    'NOT_ACCEPTABLE',
    `this method streams ${formats.map(({ contentType }) => contentType).join(' or ')}: the header Accept takes neither`,
    { httpStatus: 406 },
  );
}
