import type { DescMethod, FileRegistry, Message } from '@bufbuild/protobuf';
import type { Logger } from '../kernel/plugin.ts';
import { point, token } from '../kernel/plugin.ts';
import type { Cancellation } from './cancellation.ts';
import type { Code, DomainError, FieldViolation } from './errors.ts';
import type { WriteTransaction } from './store.ts';

/**
 * How a plugin contributes a service. From one proto file and its handlers follow gRPC, server reflection, REST,
 * validation and everything else that reads descriptors.
 */

/** What a handler knows of the call besides its request. It cannot tell which surface called it. */
export interface Call {
  /** '/issuepb.IssueService/CreateIssue'. */
  readonly method: string;
  readonly actor: Actor;
  /** Names the call in logs and responses; the caller's own where it sent a usable one. */
  readonly requestId: string;
  /** Milliseconds since 1970; Infinity when the caller set none and none applies. */
  readonly deadline: number;
  /** Aborted when the caller cancels or goes away, at the deadline, and when the server's patience ends. */
  readonly signal: AbortSignal;
  /** The same, for those who need no AbortSignal: costs nothing until somebody listens. */
  readonly cancellation: Cancellation;
  /** Carries request id and method. */
  readonly log: Logger;
  /**
   * Keeps the answer for a repeat of this call, in the transaction that makes its effect, so that both are stored or
   * neither. Every method whose policy has the effect 'write' ends its (last) transaction with it, most simply by
   * core/lib/write-once.ts. Where the caller gave no key, does nothing and asks for no answer.
   */
  remember(tx: WriteTransaction, answer: () => unknown): Promise<void>;
  /** Whatever error the call ends with gets this metadata too, as it is then: where to resume a stream. */
  explainErrors(metadata: () => Readonly<Record<string, string>>): void;
  /** Ends the call with this error, also while its caller takes nothing of a stream. Only the first end counts. */
  fail(error: DomainError): void;
}

/** Who calls, and how long it matters: what a service hands on to its transactions. R is what the service returns. */
export interface Caller<R = never> {
  readonly actor: Actor;
  readonly signal: Cancellation;
  /** The last thing in the (last) transaction of a change, before it commits. */
  readonly done?: (tx: WriteTransaction, result: R) => Promise<void>;
}

export interface Actor {
  readonly kind: 'anonymous' | 'user' | 'system';
  /** A user's id; null for the other kinds. */
  readonly userId: string | null;
}

/** The tracker itself, such as when it seeds. */
export const SYSTEM: Actor = Object.freeze({ kind: 'system', userId: null });

/** The shape of a method in a service definition of grpc-js, as ts-proto writes it. */
export interface MethodDefinition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: the types of each method are inferred from its definition
  readonly requestDeserialize: (bytes: Buffer) => any;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly responseSerialize: (message: any) => Buffer;
}
export type ServiceDefinition = Readonly<Record<string, MethodDefinition>>;

type Request<M extends MethodDefinition> = ReturnType<M['requestDeserialize']>;
type Response<M extends MethodDefinition> = Parameters<M['responseSerialize']>[0];

/**
 * `(request, call) => response`; an async generator where the method streams its response. Where it streams its request,
 * what comes first is an iterable of requests, each of them valid; it throws where one is not, and when the call ends.
 */
export type Handler<M extends MethodDefinition> = M['responseStream'] extends true
  ? (request: Request<M>, call: Call) => AsyncIterable<Response<M>>
  : (
      request: M['requestStream'] extends true ? AsyncIterable<Request<M>> : Request<M>,
      call: Call,
    ) => Promise<Response<M>> | Response<M>;
export type Handlers<D extends ServiceDefinition> = { readonly [K in keyof D]: Handler<D[K]> };

/** Who may call a method, and what the call does. Every method has one, or the start fails. */
export interface Policy {
  /**
   * 'anyone': no identity needed. 'caller': any known caller. 'admin': an administrator.
   * While no identity plugin is enabled every caller is anonymous and may call every method.
   */
  readonly access: 'anyone' | 'caller' | 'admin';
  /**
   * 'read' changes nothing, and so may be repeated without thought. 'write' takes an idempotency key: the header (or
   * metadata) Idempotency-Key, or the field `request_id` where the request has one. A repeat with the same key gets the
   * answer of the first, if that was a success, for as long as answers are kept; see `Call.remember`. A method that
   * streams its request takes no key.
   */
  readonly effect: 'read' | 'write';
  /**
   * 'loopback': only callers on the machine of the server, by the address of their connection; a call that came by a
   * proxy there is one too. Others get PERMISSION_DENIED, LOOPBACK_ONLY. Absent = wherever the caller is.
   */
  readonly from?: 'loopback';
}
export type Policies<D extends ServiceDefinition> = { readonly [K in keyof D]: Policy };

/** A contributed service; made by `service`, which checks handlers and policies against the definition. */
export interface ServiceContribution {
  readonly definition: ServiceDefinition;
  /** A serialized google.protobuf.FileDescriptorSet with the service's file and all that it imports. */
  readonly descriptors: Uint8Array;
  readonly handlers: Readonly<Record<string, (request: never, call: Call) => unknown>>;
  readonly policy: Readonly<Record<string, Policy>>;
}

export function service<D extends ServiceDefinition>(contribution: {
  readonly definition: D;
  readonly descriptors: Uint8Array;
  readonly handlers: Handlers<D>;
  readonly policy: Policies<D>;
}): ServiceContribution {
  return contribution as unknown as ServiceContribution;
}

export const apiServices = point<ServiceContribution>('api.services', 'collector-last');

/** One method that can be called, as the servers see it. */
export interface ApiMethod {
  /** '/issuepb.IssueService/CreateIssue'. */
  readonly path: string;
  readonly service: string;
  readonly name: string;
  readonly descriptor: DescMethod;
  /** At most one of the two is true. */
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly policy: Policy;
}

/** What a server knows of a call when it comes in. */
export interface CallOrigin {
  /** The caller's own request id; one is made where it is absent or not 1 to 128 visible ASCII characters. */
  readonly requestId?: string;
  /** Milliseconds since 1970. */
  readonly deadline?: number;
  /**
   * Aborted when the caller cancels or goes away: the call fails as CANCELLED. Aborted with a DomainError as its
   * reason, as by a server that drains, the call fails with that.
   */
  readonly signal: Cancellation;
  /** A header or metadata value by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  /**
   * Names the connection that the call came by, where one carries many calls at a time: it gets no more than its share of
   * the server. Asked only when places become scarce.
   */
  connection?(): string;
  /**
   * The IP address at the other end of the connection, and never what a header says; undefined where there is none, as for
   * a call from inside the process. Who has no address gets nothing that only some addresses may have.
   */
  peer?(): string | undefined;
  /**
   * Told when a stream is over, for a server that waits until its caller takes more: asked for the next message, the
   * stream throws why it ended.
   */
  onOver?(): void;
  /** Gets the request id as soon as it is settled, before anything can fail. */
  readonly onRequestId?: (requestId: string) => void;
}

/**
 * The call pipeline: deadline, decoding, validation, handler, error mapping, log, once for all servers. Requests
 * come as bytes or as a message of the registry; responses leave as bytes.
 */
export interface Api {
  /** Empty until the api plugin has started; it starts before whoever requires it. */
  readonly methods: ReadonlyMap<string, ApiMethod>;
  /** Every contributed file, with extensions such as google.api.http. */
  readonly registry: FileRegistry;
  /** The same files as a serialized FileDescriptorSet, unknown options included. */
  readonly descriptors: Uint8Array;
  /** Rejects with CallError and nothing else. */
  unary(method: ApiMethod, request: Uint8Array | Message, origin: CallOrigin): Promise<Uint8Array>;
  /**
   * Rejects with CallError and nothing else. `requests` are read as the handler takes them, and must end or throw once the
   * origin's signal is aborted.
   */
  clientStream(method: ApiMethod, requests: AsyncIterable<Uint8Array>, origin: CallOrigin): Promise<Uint8Array>;
  /** Throws CallError and nothing else. Ends when the iterator is returned or the origin's signal is aborted. */
  serverStream(method: ApiMethod, request: Uint8Array | Message, origin: CallOrigin): AsyncIterable<Uint8Array>;
}

export const api = token<Api>('api');

/** How a call failed, fit for the wire: well-formed text of bounded length, nothing from a driver. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: Code;
  readonly reason: string;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  /** A serialized google.rpc.Status with ErrorInfo, and BadRequest and RetryInfo where they apply; at most 8 KiB. */
  readonly status: Uint8Array;

  constructor(parts: {
    readonly code: Code;
    readonly reason: string;
    readonly message: string;
    readonly fields: readonly FieldViolation[];
    readonly metadata: Readonly<Record<string, string>>;
    readonly retryAfterMs: number | undefined;
    readonly status: Uint8Array;
  }) {
    super(parts.message);
    this.code = parts.code;
    this.reason = parts.reason;
    this.fields = parts.fields;
    this.metadata = parts.metadata;
    this.retryAfterMs = parts.retryAfterMs;
    this.status = parts.status;
  }
}
