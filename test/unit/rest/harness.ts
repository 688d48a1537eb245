import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { FileRegistry, JsonValue, Message, MessageInitShape } from '@bufbuild/protobuf';
import { create, createFileRegistry, fromBinary, isMessage, setExtension, toBinary, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, MethodOptionsSchema } from '@bufbuild/protobuf/wkt';
import type { Api, ApiMethod, CallOrigin, Policy } from '../../../core/contracts/api.ts';
import { CallError } from '../../../core/contracts/api.ts';
import type { Code, ErrorOptions } from '../../../core/contracts/errors.ts';
import type { HttpRoute } from '../../../core/contracts/http.ts';
import type { ListeningServer } from '../../../core/contracts/servers.ts';
import rest from '../../../plugins/rest/plugin.ts';
import { setUp } from '../plugin-context.ts';

/** A message by the names of its properties. */
// biome-ignore lint/suspicious/noExplicitAny: tests know their messages
export type Fields = any;
/** What the gateway says of the call, with its cancellation as a signal that `once` and timers take. */
export type FakeOrigin = CallOrigin & { readonly signal: AbortSignal };
export type FakeHandler = (request: Fields, origin: FakeOrigin) => object | Promise<object>;

export const fixture = readFileSync(new URL('../../fixtures/gateway/gateway.binpb', import.meta.url));
export const tracker = readFileSync(new URL('../../../proto/gen/descriptors.binpb', import.meta.url));

/** An Api over descriptors, with plain functions for its methods; a method that has none answers its request. */
export function fakeApi(
  descriptors: Uint8Array,
  handlers: Readonly<Record<string, FakeHandler>> = {},
  rules: Readonly<Record<string, object>> = {},
): Api {
  const registry = registryOf(descriptors, rules);
  const methods = new Map<string, ApiMethod>();
  for (const type of registry)
    if (type.kind === 'service')
      for (const descriptor of type.methods) {
        const path = `/${type.typeName}/${descriptor.name}`;
        const policy: Policy = {
          access: 'anyone',
          effect: /^(Get|List|Match)/.test(descriptor.name) ? 'read' : 'write',
        };
        const responseStream = /^(server|bidi)_/.test(descriptor.methodKind);
        const requestStream = /^(client|bidi)_/.test(descriptor.methodKind);
        methods.set(path, {
          path,
          service: type.typeName,
          name: descriptor.name,
          descriptor,
          requestStream,
          responseStream,
          policy,
        });
      }
  return {
    methods,
    registry,
    descriptors,
    async unary(method, request, origin) {
      const { input, output, name } = method.descriptor;
      if (!isMessage(request, input)) throw new Error('the gateway sends messages of the registry');
      toBinary(input, request);
      const handler = handlers[name];
      const response =
        handler === undefined ? request : await handler(request, { ...origin, signal: signalOf(origin) });
      return toBinary(output, create(output, response as MessageInitShape<typeof output>));
    },
    serverStream() {
      throw new Error('nothing streams here');
    },
    clientStream() {
      throw new Error('nothing streams here');
    },
  };
}

function signalOf({ signal: cancellation }: CallOrigin): AbortSignal {
  const controller = new AbortController();
  const handleEvent = () => controller.abort(cancellation.reason);
  if (cancellation.aborted) handleEvent();
  else cancellation.addEventListener('abort', { handleEvent });
  return controller.signal;
}

/** `rules` replace the google.api.http rules of methods. */
function registryOf(descriptors: Uint8Array, rules: Readonly<Record<string, object>>): FileRegistry {
  const set = fromBinary(FileDescriptorSetSchema, descriptors);
  const http = createFileRegistry(set).getExtension('google.api.http')!;
  for (const file of set.file)
    for (const method of file.service.flatMap((service) => service.method)) {
      const rule = rules[method.name];
      if (rule === undefined) continue;
      method.options ??= create(MethodOptionsSchema);
      setExtension(method.options, http, create(http.message!, rule as never) as never);
    }
  return createFileRegistry(set);
}

/** What the handler got, as proto JSON. */
export function shown(api: Api, message: Message): JsonValue {
  return toJson(api.registry.getMessage(message.$typeName)!, message, { registry: api.registry });
}

export function callError(code: Code, reason: string, message: string, options: ErrorOptions = {}): CallError {
  const { fields = [], metadata = {}, retryAfterMs } = options;
  return new CallError({ code, reason, message, fields, metadata, retryAfterMs, status: new Uint8Array() });
}

export interface Reply {
  readonly status: number;
  readonly statusText: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  readonly json: any;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Is sent as JSON. */
  readonly json?: unknown;
  readonly agent?: http.Agent;
}

/** Sends the target as it is; fetch would tidy it up. */
export function send(port: number, method: string, path: string, options: SendOptions = {}): Promise<Reply> {
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const headers: Record<string, string | number> = {
    ...(options.json !== undefined && { 'Content-Type': 'application/json' }),
    ...(body !== undefined && { 'Content-Length': Buffer.byteLength(body) }),
    ...options.headers,
  };
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const request = http.request({ port, host: '127.0.0.1', method, path, headers, agent: options.agent ?? false });
  request.on('error', reject).on('response', (response) => readReply(response).then(resolve, reject));
  request.end(body);
  return promise;
}

export async function readReply(response: http.IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const isJson = response.headers['content-type'] === 'application/json' && text !== '';
  return {
    status: response.statusCode!,
    statusText: response.statusMessage!,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}

export interface Gateway {
  readonly port: number;
  readonly log: Awaited<ReturnType<typeof setUp>>['log'];
  send(method: string, path: string, options?: SendOptions): Promise<Reply>;
  drain(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export async function startGateway(
  api: Api,
  options: { readonly pages?: readonly HttpRoute[]; readonly config?: object; readonly deps?: object } = {},
): Promise<Gateway> {
  const config = { port: 0, host: '127.0.0.1', idleGraceMs: 0, ...options.config };
  const { instance, log, release } = await setUp(rest, { deps: { api, ...options.deps }, config });
  const pages = (options.pages ?? []).map((value) => ({ plugin: 'pages', value }));
  try {
    await instance.start({ httpRoutes: pages }, new AbortController().signal);
  } catch (error) {
    await release();
    throw error;
  }
  const { port } = instance.provides.restServer as ListeningServer;
  return {
    port,
    log,
    send: (method, path, sendOptions) => send(port, method, path, sendOptions),
    drain: (signal = AbortSignal.timeout(5000)) => instance.drain(signal),
    stop: release,
  };
}

/** 'field: description' of each violation, and the reason of the first. */
export function violations(reply: Reply): string[] {
  const bad = reply.json.error.details.find((detail: Fields) => detail['@type'].endsWith('google.rpc.BadRequest'));
  return (bad?.fieldViolations ?? []).map(({ field, description }: Fields) => `${field}: ${description}`);
}

export function reasonOf(reply: Reply): string {
  const [info] = reply.json.error.details;
  return info.reason;
}
