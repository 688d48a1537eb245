import {
  type Client,
  type ClientReadableStream,
  credentials,
  type Deadline,
  Metadata,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { type Api, api } from '../../../core/contracts/api.ts';
import { grpcServer } from '../../../core/contracts/servers.ts';
import { boot, inline, type Plugin, type Running } from '../../../core/kernel/index.ts';
import apiPlugin from '../../../plugins/api/plugin.ts';
import grpcPlugin from '../../../plugins/grpc/plugin.ts';
import healthPlugin from '../../../plugins/health/plugin.ts';
import { definitionOf, type EchoHandlers, echoService } from '../../fixtures/echo/echo.ts';
import { recorder } from '../../kernel/support.ts';
import { contributor } from '../api/support.ts';

export interface Echoed {
  readonly text: string;
  readonly blob: Uint8Array;
}
export interface Counted {
  readonly number: number;
}
export interface Answer {
  readonly response: Echoed;
  readonly headers: Metadata;
}

export interface EchoServer {
  readonly running: Running;
  readonly api: Api;
  readonly port: number;
  readonly lines: ReturnType<typeof recorder>['lines'];
  /** Resolves with response and initial metadata; rejects with a ServiceError that carries `headers`, if any came. */
  echo(request: object, options?: { deadline?: Deadline; metadata?: Metadata; signal?: AbortSignal }): Promise<Answer>;
  count(request: object, options?: { deadline?: Deadline }): ClientReadableStream<Counted>;
  /** A client of any service of this server, closed with it. */
  client(definition: ServiceDefinition): Client;
  close(): Promise<void>;
}

/** Closes what the test has started, also where it failed. */
export async function closeAll(): Promise<void> {
  for (const server of started.splice(0)) await server.close();
}

const started: EchoServer[] = [];

export async function startEcho(
  handlers: Partial<EchoHandlers> = {},
  options: { grpc?: object; api?: object; health?: object; plugins?: readonly Plugin[] } = {},
): Promise<EchoServer> {
  const { log, lines } = recorder();
  const running = await boot({
    log,
    entries: [
      inline(apiPlugin, { ...options.api }),
      inline(grpcPlugin, { host: '127.0.0.1', port: 0, ...options.grpc }),
      inline(contributor('echo', echoService(handlers))),
      ...(options.health ? [inline(healthPlugin, { ...options.health })] : []),
      ...(options.plugins ?? []).map((plugin) => inline(plugin)),
    ],
  });
  const { port } = running.service(grpcServer);
  const clients: Client[] = [];
  const client = (definition: ServiceDefinition) => {
    const one = new (makeGenericClientConstructor(definition, 'Test'))(
      `127.0.0.1:${port}`,
      credentials.createInsecure(),
      {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.max_receive_message_length': -1,
      },
    );
    clients.push(one);
    return one;
  };
  const echoing = client(definitionOf('echopb.EchoService'));
  const server: EchoServer = {
    running,
    api: running.service(api),
    port,
    lines,
    client,
    echo: (request, { deadline, metadata = new Metadata(), signal } = {}) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = definitionOf('echopb.EchoService')['echo']!;
        let headers: Metadata | undefined;
        const call = echoing.makeUnaryRequest(
          path,
          requestSerialize,
          (bytes) => responseDeserialize(bytes) as unknown as Echoed,
          request,
          metadata,
          deadline === undefined ? {} : { deadline },
          (error, response) =>
            error ? reject(Object.assign(error, { headers })) : resolve({ response: response!, headers: headers! }),
        );
        call.on('metadata', (got) => {
          headers = got;
        });
        signal?.addEventListener('abort', () => call.cancel());
      }),
    count: (request, { deadline } = {}) => {
      const { path, requestSerialize, responseDeserialize } = definitionOf('echopb.EchoService')['count']!;
      return echoing.makeServerStreamRequest(
        path,
        requestSerialize,
        (bytes) => responseDeserialize(bytes) as unknown as Counted,
        request,
        deadline === undefined ? {} : { deadline },
      );
    },
    async close() {
      for (const one of clients) one.close();
      await running.stop();
    },
  };
  started.push(server);
  return server;
}

export type Failure = ServiceError & { readonly headers?: Metadata };

export async function failed(attempt: Promise<unknown>): Promise<Failure> {
  try {
    await attempt;
  } catch (error) {
    return error as Failure;
  }
  throw new Error('expected the call to fail');
}

/** The messages of a stream until it ends, and the error it ended with. */
export function read<T>(stream: ClientReadableStream<T>): Promise<{ messages: T[]; error: ServiceError | undefined }> {
  return new Promise((resolve) => {
    const messages: T[] = [];
    let error: ServiceError | undefined;
    stream.on('data', (message: T) => messages.push(message));
    stream.on('error', (cause: ServiceError) => {
      error = cause;
      resolve({ messages, error });
    });
    stream.on('end', () => resolve({ messages, error }));
  });
}
