import type { ServerResponse } from 'node:http';
import type { Message } from '@bufbuild/protobuf';
import { type Api, CallError, type CallOrigin } from '../../../core/contracts/api.ts';
import type { Logger } from '../../../core/kernel/index.ts';
import { type OpenStreams, shuttingDown } from '../../../core/lib/open-streams.ts';
import type { Departure } from '../departure.ts';
import { errorAnswer } from '../errors.ts';
import type { MethodRoute } from '../routes.ts';
import { StreamBody } from './body.ts';
import type { StreamFormat } from './format.ts';
import type { Heartbeats } from './heartbeats.ts';

/** What all streams of a server share. */
export interface Streams {
  readonly open: OpenStreams;
  readonly heartbeats: Heartbeats;
  /** How long a caller may take nothing of what is there for it. */
  readonly stalledMs: number;
}

export interface HttpStream {
  readonly response: ServerResponse;
  readonly departure: Departure;
  readonly format: StreamFormat;
  readonly origin: CallOrigin;
  readonly log: Logger;
}

/**
 * Answers with the messages of a call, each when it is there. Throws what the call ends with before the first of them;
 * later, the error stands at the end of the body.
 */
export async function answerStream(
  api: Api,
  route: MethodRoute,
  message: Message,
  { response, departure, format, origin, log }: HttpStream,
  { open, heartbeats, stalledMs }: Streams,
): Promise<void> {
  const body = new StreamBody(response, format, stalledMs);
  const closed = open.add(() => departure.abort(shuttingDown()));
  const quiet = heartbeats.add(body);
  const onOver = () => body.turn.over();
  try {
    for await (const bytes of api.serverStream(route.method, message, { ...origin, onOver })) {
      const full = body.write(format.message(route.write(bytes)));
      if (full !== undefined) await full;
    }
    body.end(format.end);
  } catch (error) {
    if (response.destroyed || !body.hasBegun) throw error;
    if (!(error instanceof CallError)) log.error({ err: error }, 'a message of a stream could not be written');
    body.end(format.error(errorAnswer(error).body, resumeTokenOf(error)));
  } finally {
    body.close();
    quiet();
    closed();
  }
}

function resumeTokenOf(error: unknown): string | undefined {
  return error instanceof CallError ? error.metadata['resume_token'] : undefined;
}
