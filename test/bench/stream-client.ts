import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { ProjectServiceService, StreamProjectUpdatesRequest } from '../../proto/gen/project/v1/project.ts';

/** A connection that carries streams of updates and counts their messages: the client of grpc-js costs more than the server. */
export class StreamConnection {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  static async open(port: number): Promise<StreamConnection> {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 2 ** 20 } });
    await once(session, 'connect');
    session.setLocalWindowSize(2 ** 24);
    return new StreamConnection(session);
  }

  /** `onMessages` is told how many messages came. A stream that the server ends, ends the benchmark. */
  stream(request: Partial<StreamProjectUpdatesRequest>, onMessages: (count: number) => void): void {
    const { path, requestSerialize } = ProjectServiceService.streamProjectUpdates;
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = this.#session.request(headers);
    const count = counter();
    stream.on('data', (chunk: Buffer) => {
      const messages = count(chunk);
      if (messages > 0) onMessages(messages);
    });
    stream.on('error', () => {});
    stream.on('trailers', (trailers) => {
      throw new Error(`a stream ended: ${trailers['grpc-status']} ${trailers['grpc-message']}`);
    });
    const message = requestSerialize(StreamProjectUpdatesRequest.fromPartial(request));
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    message.copy(frame, 5);
    stream.end(frame);
  }

  close(): void {
    this.#session.destroy();
  }
}

/** Counts the gRPC messages that end in each chunk. */
function counter(): (chunk: Buffer) => number {
  let left = 0;
  let header = Buffer.alloc(0);
  return (chunk) => {
    let messages = 0;
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const taken = Math.min(5 - header.length, chunk.length - at);
        header = Buffer.concat([header, chunk.subarray(at, at + taken)]);
        at += taken;
        if (header.length < 5) break;
        left = header.readUInt32BE(1);
        header = Buffer.alloc(0);
      } else {
        const taken = Math.min(left, chunk.length - at);
        left -= taken;
        at += taken;
        if (left === 0) messages += 1;
      }
    }
    return messages;
  };
}
