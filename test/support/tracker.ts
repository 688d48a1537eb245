import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { builtins } from '../../config/builtins.ts';
import { matrix } from '../../config/matrix.ts';
import { grpcServer, restServer } from '../../core/contracts/servers.ts';
import { boot, inline, type Logger, type Plugin, readSettings, type Token } from '../../core/kernel/index.ts';
import { BadRequest, ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import { freshStore } from './stores.ts';

/** A tracker in this process, as the variables make it, with real clients on ports of its own. */
export interface Tracker {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** JSON over HTTP; a body of undefined sends none. */
  http(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** The body as it is, with JSON's media type unless the headers say otherwise. */
  raw(method: string, path: string, body: string | Uint8Array, headers?: Record<string, string>): Promise<Answer>;
  /** A unary call by its definition; fields that are left out are as in proto3. Rejects with CallFailure. */
  grpc<Req, Res>(method: UnaryMethod<Req, Res>, request: Partial<Req>, options?: GrpcOptions): Promise<Res>;
  grpcBytes(path: string, request: Buffer): Promise<Buffer>;
  service<T>(token: Token<T>): T;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  readonly body: any;
}

export interface GrpcOptions {
  readonly metadata?: Record<string, string>;
  readonly deadline?: number;
}

export interface UnaryMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Req;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

/** A ServiceError with its google.rpc details decoded. */
export type CallFailure = ServiceError & { readonly reason: string; readonly violations: readonly string[] };

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export interface TrackerOptions {
  readonly plugins?: readonly Plugin[];
  /** Plugins to load instead of the built-in ones of these names. */
  readonly replace?: Readonly<Record<string, Plugin>>;
  /** What is made of the storage's plugin. */
  readonly storage?: (plugin: Plugin) => Plugin;
  readonly log?: Logger;
  /** How long idle HTTP connections stay open while stopping: clients keep theirs, and suites would wait for it. */
  readonly idleGraceMs?: number;
}

/**
 * Nothing is seeded unless the variables say so. On an empty store of the kind that TEST_STORES says, which goes when
 * the tracker stops; or on the one that the variables name, which stays.
 */
export async function startTracker(
  variables: Readonly<Record<string, string>> = {},
  options: TrackerOptions = {},
): Promise<Tracker> {
  const fresh = variables['DB_TYPE'] ? undefined : await freshStore();
  const running = await bootTracker({ ...fresh?.variables, ...variables }, options).catch(async (error) => {
    await fresh?.remove();
    throw error;
  });
  const grpcPort = running.service(grpcServer).port;
  const httpPort = running.service(restServer).port;
  const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());

  const send = async (method: string, path: string, headers: Record<string, string>, body?: string | Uint8Array) => {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body as string }),
    });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').includes('json') && text !== '';
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  };

  const unary = (path: string, request: Buffer, { metadata = {}, deadline }: GrpcOptions = {}) =>
    new Promise<Buffer>((resolve, reject) => {
      const sent = new Metadata();
      for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
      const bytes = (value: Buffer) => value;
      client.makeUnaryRequest(path, bytes, bytes, request, sent, deadline ? { deadline } : {}, (error, response) => {
        if (error) reject(withDetails(error));
        else resolve(response as Buffer);
      });
    });

  return {
    grpcPort,
    httpPort,
    http: (method, path, body, headers = {}) =>
      send(
        method,
        path,
        { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        body === undefined ? undefined : JSON.stringify(body),
      ),
    raw: (method, path, body, headers = {}) =>
      send(method, path, { 'content-type': 'application/json', ...headers }, body),
    async grpc(method, request, options) {
      const complete = { ...method.requestDeserialize(Buffer.alloc(0)), ...request };
      return method.responseDeserialize(await unary(method.path, method.requestSerialize(complete), options));
    },
    grpcBytes: (path, request) => unary(path, request),
    service: (token) => running.service(token),
    async stop() {
      client.close();
      const { problems } = await running.stop('the test is over');
      await fresh?.remove();
      if (problems.length > 0) throw new Error(problems.map((problem) => problem.message).join('\n'));
    },
  };
}

async function bootTracker(variables: Readonly<Record<string, string>>, options: TrackerOptions) {
  const env = { GRPC_PORT: '0', HTTP_PORT: '0', SEED_USER_COUNT: '0', SEED_PROJECT_COUNT: '0', ...variables };
  const settings = await readSettings({ matrix, builtins: Object.keys(builtins), env, cwd: process.cwd() });
  const quick = { origin: 'test', values: { idleGraceMs: options.idleGraceMs ?? 0 } };
  const configured = settings.entries.map((entry) =>
    entry.use === 'rest' ? { ...entry, layers: [...entry.layers, quick] } : entry,
  );
  const replaced: Record<string, Plugin> = { ...options.replace };
  const storage = `storage-${variables['DB_TYPE']}`;
  if (options.storage) replaced[storage] = options.storage((await builtins[storage]!()).default as Plugin);
  const loads = Object.entries(replaced).map(([name, plugin]) => [name, async () => ({ default: plugin })]);
  return boot({
    entries: [...configured, ...(options.plugins ?? []).map((plugin) => inline(plugin))],
    builtins: { ...builtins, ...Object.fromEntries(loads) },
    log: options.log ?? silent,
  });
}

function withDetails(error: ServiceError): CallFailure {
  const [packed] = error.metadata.get('grpc-status-details-bin');
  const details = packed ? Status.decode(packed as Buffer).details : [];
  const info = details.find((any) => any.typeUrl.endsWith('ErrorInfo'));
  const bad = details.find((any) => any.typeUrl.endsWith('BadRequest'));
  return Object.assign(error, {
    reason: info ? ErrorInfo.decode(info.value).reason : '',
    violations: bad
      ? BadRequest.decode(bad.value).fieldViolations.map(({ field, description }) => `${field}: ${description}`)
      : [],
  });
}
