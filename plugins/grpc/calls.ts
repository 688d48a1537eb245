import { setImmediate } from 'node:timers/promises';
import {
  Metadata,
  type MethodDefinition,
  type Server,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Api, ApiMethod, CallError, CallOrigin } from '../../core/contracts/api.ts';
import { codes, DomainError } from '../../core/contracts/errors.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { type OpenStreams, shuttingDown } from '../../core/lib/open-streams.ts';
import { CallCancellation } from './cancellation.ts';
import { Writable } from './writable.ts';

type Unary = ServerUnaryCall<Buffer, Uint8Array>;
type Stream = ServerWritableStream<Buffer, Uint8Array>;
type Upload = ServerReadableStream<Buffer, Uint8Array>;

/** Registers every method of the API. Messages pass as bytes: the pipeline decodes, validates and encodes. */
export function addMethods(server: Server, api: Api, streams: OpenStreams, log: Logger): void {
  for (const method of api.methods.values()) {
    const fail = (error: unknown) => log.error({ err: error, method: method.path }, 'a response could not be sent');
    const unary = (call: Unary, respond: sendUnaryData<Uint8Array>) => {
      answer(api, method, call, respond).catch(fail);
    };
    const serverStream = (call: Stream) => {
      stream(api, method, call, streams).catch(fail);
    };
    const clientStream = (call: Upload, respond: sendUnaryData<Uint8Array>) => {
      take(api, method, call, respond, streams).catch(fail);
    };
    const definition: ServiceDefinition = { [method.name]: identity(method) };
    const handler = method.requestStream ? clientStream : method.responseStream ? serverStream : unary;
    server.addService(definition, { [method.name]: handler } as UntypedServiceImplementation);
  }
}

function identity({ path, requestStream, responseStream }: ApiMethod): MethodDefinition<Buffer, Uint8Array> {
  const pass = (bytes: Buffer) => bytes;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: pass,
    requestDeserialize: pass,
    responseSerialize: toBuffer,
    responseDeserialize: pass,
  };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function answer(api: Api, method: ApiMethod, call: Unary, respond: sendUnaryData<Uint8Array>): Promise<void> {
  const origin = new GrpcOrigin(call);
  await settle(api.unary(method, call.request, origin), origin, call, respond);
}

/** What the handler has not taken when it answers, or when the server drains, is not read any more. */
async function take(
  api: Api,
  method: ApiMethod,
  call: Upload,
  respond: sendUnaryData<Uint8Array>,
  streams: OpenStreams,
): Promise<void> {
  const origin = new GrpcOrigin(call);
  const closed = streams.add(() => {
    origin.shutDown();
    call.destroy();
  });
  try {
    await settle(api.clientStream(method, requestsOf(call, origin), origin), origin, call, respond);
  } finally {
    closed();
    call.destroy();
  }
}

/** What comes until the caller has ended it; throws where the caller goes or the server drains before that. */
async function* requestsOf(call: Upload, { signal }: GrpcOrigin): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const message of call) yield message;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  // A caller that goes seems to end its messages first: grpc-js says that it has gone later in the same turn.
  await setImmediate();
  if (signal.aborted) throw signal.reason ?? new DomainError('CANCELLED', 'CANCELLED', 'the caller cancelled the call');
}

async function settle(
  answered: Promise<Uint8Array>,
  origin: GrpcOrigin,
  call: Unary | Upload,
  respond: sendUnaryData<Uint8Array>,
): Promise<void> {
  let response: Uint8Array;
  try {
    response = await answered;
  } catch (error) {
    origin.signal.finish();
    respond(status(error as CallError, origin));
    return;
  }
  origin.signal.finish();
  call.sendMetadata(origin.responseMetadata());
  respond(null, response);
}

async function stream(api: Api, method: ApiMethod, call: Stream, streams: OpenStreams): Promise<void> {
  const origin = new GrpcOrigin(call);
  const closed = streams.add(() => origin.shutDown());
  const writable = new Writable(call);
  origin.onOver = () => writable.over();
  let begun = false;
  try {
    for await (const message of api.serverStream(method, call.request, origin)) {
      if (!begun) call.sendMetadata(origin.responseMetadata());
      begun = true;
      if (!writable.write(message)) await writable.again();
    }
    origin.signal.finish();
    call.end();
  } catch (error) {
    origin.signal.finish();
    if (!call.cancelled) call.emit('error', status(error as CallError, origin));
  } finally {
    closed();
  }
}

/** What the pipeline needs to know of a grpc-js call. */
class GrpcOrigin implements CallOrigin {
  readonly requestId?: string;
  readonly deadline?: number;
  readonly signal: CallCancellation;
  onOver?: () => void;
  readonly #call: Unary | Stream | Upload;
  #settledRequestId = '';

  constructor(call: Unary | Stream | Upload) {
    this.#call = call;
    this.signal = new CallCancellation(call);
    const requestId = this.header('x-request-id');
    if (requestId !== undefined) this.requestId = requestId;
    const deadline = Number(call.getDeadline());
    if (deadline !== Number.POSITIVE_INFINITY) this.deadline = deadline;
  }

  header(name: string): string | undefined {
    return this.#call.metadata.get(name)[0]?.toString();
  }

  /** Address and port of the client. */
  connection(): string {
    return this.#call.getPeer();
  }

  peer(): string | undefined {
    // 'address:port', without brackets around an IPv6 address.
    return /^(.+):\d+$/.exec(this.#call.getPeer())?.[1];
  }

  onRequestId(requestId: string): void {
    this.#settledRequestId = requestId;
  }

  responseMetadata(): Metadata {
    const metadata = new Metadata();
    metadata.set('x-request-id', this.#settledRequestId);
    return metadata;
  }

  shutDown(): void {
    this.signal.abort(shuttingDown());
  }
}

/** Everything goes into the trailers: initial metadata would tell a client that a retry is no longer in order. */
function status(error: CallError, origin: GrpcOrigin): { code: number; details: string; metadata: Metadata } {
  const metadata = origin.responseMetadata();
  metadata.set('grpc-status-details-bin', toBuffer(error.status));
  return { code: codes[error.code].grpc, details: error.message, metadata };
}
