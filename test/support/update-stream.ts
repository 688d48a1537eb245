import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  ProjectServiceService,
  StreamProjectUpdatesRequest,
  type StreamProjectUpdatesResponse,
} from '../../proto/gen/project/v1/project.ts';

type Message = StreamProjectUpdatesResponse;

/** How a stream ended; `resumeToken` is that of its error. */
export interface Ended {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly resumeToken: string;
}

/** One stream of updates over a connection of its own. */
export interface UpdatesClient {
  readonly messages: readonly Message[];
  /** Of the last message that has one. */
  readonly token: string;
  /** Settles with the first message, of all, that fits; rejects when the stream ends before. */
  until(fits: (message: Message) => boolean): Promise<Message>;
  /** Takes nothing more until `resume`. */
  pause(): void;
  resume(): void;
  readonly ended: Promise<Ended>;
  close(): void;
}

/** `onMessage` is told of each message as it comes. */
export function streamUpdates(
  port: number,
  request: Partial<StreamProjectUpdatesRequest>,
  onMessage: (message: Message) => void = () => {},
): UpdatesClient {
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), options);
  const { path, requestSerialize, responseDeserialize } = ProjectServiceService.streamProjectUpdates;
  const stream: ClientReadableStream<Message> = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    StreamProjectUpdatesRequest.fromPartial(request),
    new Metadata(),
  );
  const messages: Message[] = [];
  const waiting = new Set<(message: Message | undefined, ended?: Ended) => void>();
  let token = '';
  const ended = Promise.withResolvers<Ended>();
  const end = (how: Ended) => {
    ended.resolve(how);
    for (const one of waiting) one(undefined, how);
    client.close();
  };
  stream.on('data', (message: Message) => {
    messages.push(message);
    if (message.resumeToken !== '') token = message.resumeToken;
    onMessage(message);
    for (const one of waiting) one(message);
  });
  stream.on('end', () => end({ code: 0, reason: '', message: '', resumeToken: '' }));
  stream.on('error', (error: ServiceError) => end(endOf(error)));
  return {
    messages,
    get token() {
      return token;
    },
    until(fits) {
      const found = messages.find(fits);
      if (found) return Promise.resolve(found);
      return new Promise((resolve, reject) => {
        const look = (message: Message | undefined, how?: Ended) => {
          if (!message) reject(new Error(`the stream ended: ${how?.code} ${how?.reason} ${how?.message}`));
          else if (fits(message)) resolve(message);
          else return;
          waiting.delete(look);
        };
        waiting.add(look);
      });
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    ended: ended.promise,
    close: () => stream.cancel(),
  };
}

function endOf({ code, details: message, metadata }: ServiceError): Ended {
  const [packed] = metadata.get('grpc-status-details-bin');
  const details = packed ? Status.decode(packed as Buffer).details : [];
  const info = details.find((any) => any.typeUrl.endsWith('ErrorInfo'));
  const { reason = '', metadata: more = {} } = info ? ErrorInfo.decode(info.value) : {};
  return { code, reason, message, resumeToken: (more as Record<string, string>)['resume_token'] ?? '' };
}
