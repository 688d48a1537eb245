import { createFileRegistry, type DescMethod, type FileRegistry, type Message } from '@bufbuild/protobuf';
import type { Actor, Api, ApiMethod, CallError, CallOrigin } from '../../core/contracts/api.ts';
import { DomainError, failedPrecondition } from '../../core/contracts/errors.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { requestIdOf } from '../../core/lib/request-id.ts';
import type { AccessLog } from './access-log.ts';
import { cancelled, RunningCall } from './call.ts';
import { isForeseen, toCallError } from './error-mapping.ts';
import { Gate } from './gate.ts';
import { fingerprint, type Idempotency, idempotencyKey } from './idempotency.ts';
import { isLoopback } from './loopback.ts';
import type { BoundMethod } from './methods.ts';
import type { RequestReader } from './request.ts';
import { Turns } from './turns.ts';

export interface PipelineOptions {
  /** Milliseconds a unary call may take: where its caller says nothing, and at most. */
  readonly defaultDeadlineMs: number;
  readonly maxDeadlineMs: number;
  /** How many handlers may run at a time. */
  readonly maxCalls: number;
  readonly maxStreams: number;
}

/** What was put together of all that the plugins contributed. */
export interface Services {
  readonly methods: ReadonlyMap<string, BoundMethod>;
  readonly registry: FileRegistry;
  readonly descriptors: Uint8Array;
  readonly requests: RequestReader;
}

const ANONYMOUS: Actor = Object.freeze({ kind: 'anonymous', userId: null });

/**
 * The steps of every call, in this order: request id and deadline; may it come from there; decoding and validation; is the call still
 * wanted; a place among the running handlers, and a turn; the answer that is kept for its key, or the handler; the response; error
 * mapping; access log.
 */
export class Pipeline implements Api {
  methods: ReadonlyMap<string, BoundMethod> = new Map();
  registry: FileRegistry = createFileRegistry();
  descriptors: Uint8Array = new Uint8Array();
  #requests: RequestReader | undefined;
  readonly #options: PipelineOptions;
  readonly #accessLog: AccessLog;
  readonly #log: Logger;
  readonly #idempotency: Idempotency | undefined;
  readonly #turns = new Turns();
  readonly #calls: Gate;
  readonly #streams: Gate;

  constructor(options: PipelineOptions, accessLog: AccessLog, log: Logger, idempotency: Idempotency | undefined) {
    this.#options = options;
    this.#accessLog = accessLog;
    this.#log = log;
    this.#idempotency = idempotency;
    this.#calls = new Gate('calls', options.maxCalls);
    this.#streams = new Gate('streams', options.maxStreams);
  }

  /** From now on the services can be called; before, there is no method. */
  open({ methods, registry, descriptors, requests }: Services): void {
    this.methods = methods;
    this.registry = registry;
    this.descriptors = descriptors;
    this.#requests = requests;
  }

  async unary(method: ApiMethod, request: Uint8Array | Message, origin: CallOrigin): Promise<Uint8Array> {
    const startedAt = performance.now();
    const now = Date.now();
    const { defaultDeadlineMs, maxDeadlineMs } = this.#options;
    const call = this.#begin(method, Math.min(origin.deadline ?? now + defaultDeadlineMs, now + maxDeadlineMs), origin);
    try {
      const bound = this.#find(method, 'unary');
      admit(bound, origin);
      const message = this.#requests?.read(bound, request);
      call.throwIfOver();
      const key = bound.policy.effect === 'write' ? keyOf(message, origin) : undefined;
      const bytes =
        key === undefined
          ? bound.definition.responseSerialize(
              await call.race(this.#run(call, origin, startedAt, () => bound.handle(message, call))),
            )
          : await call.race(this.#run(call, origin, startedAt, () => this.#once(bound, message, call, key, request)));
      this.#accessLog.ok(call, bound, performance.now() - startedAt);
      return bytes;
    } catch (error) {
      throw this.#fail(error, call, method, performance.now() - startedAt);
    } finally {
      call.release();
    }
  }

  async clientStream(method: ApiMethod, requests: AsyncIterable<Uint8Array>, origin: CallOrigin): Promise<Uint8Array> {
    const startedAt = performance.now();
    const call = this.#begin(method, origin.deadline ?? Number.POSITIVE_INFINITY, origin);
    try {
      const bound = this.#find(method, 'client_streaming');
      admit(bound, origin);
      if (origin.header('idempotency-key') !== undefined)
        throw failedPrecondition(
          'IDEMPOTENCY_UNSUPPORTED',
          'a method that streams its request takes no idempotency key',
        );
      call.throwIfOver();
      const messages = this.#readEach(bound, requests);
      const answer = await call.race(this.#streams.run(origin, () => bound.handle(messages, call)));
      const bytes = bound.definition.responseSerialize(answer);
      this.#accessLog.ok(call, bound, performance.now() - startedAt);
      return bytes;
    } catch (error) {
      throw this.#fail(error, call, method, performance.now() - startedAt);
    } finally {
      // A handler that still waits for something learns by its signal that nobody waits for it.
      call.over(cancelled());
    }
  }

  async *serverStream(
    method: ApiMethod,
    request: Uint8Array | Message,
    origin: CallOrigin,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const startedAt = performance.now();
    const call = this.#begin(method, origin.deadline ?? Number.POSITIVE_INFINITY, origin);
    let messages: AsyncIterator<unknown> | undefined;
    let place: string | undefined;
    let settled = false;
    try {
      const bound = this.#find(method, 'server_streaming');
      admit(bound, origin);
      const message = this.#requests?.read(bound, request);
      call.throwIfOver();
      place = this.#streams.enter(origin);
      if (origin.onOver) call.addEventListener('abort', { handleEvent: () => origin.onOver?.() });
      messages = this.#iterate(bound, message, call, place);
      for (;;) {
        const next = await call.race(messages.next());
        if (next.done) break;
        yield bound.definition.responseSerialize(next.value);
        call.throwIfOver();
      }
      settled = true;
      this.#accessLog.ok(call, bound, performance.now() - startedAt);
    } catch (error) {
      settled = true;
      throw this.#fail(error, call, method, performance.now() - startedAt);
    } finally {
      // Whoever read the stream has returned it before its end.
      if (!settled) this.#fail(cancelled(), call, method, performance.now() - startedAt);
      // A generator that still waits for something learns by its signal that nobody waits for it.
      call.over(cancelled());
      if (messages) this.#close(messages, place);
    }
  }

  /** In a place of its own, when its turn has come. */
  #run<T>(call: RunningCall, origin: CallOrigin, startedAt: number, work: () => T): Promise<Awaited<T>> {
    return this.#calls.run(origin, () => {
      const turn = this.#turns.next(origin, startedAt);
      if (turn === undefined) return work();
      return turn.then(() => {
        // Its caller may have gone while it waited.
        call.throwIfOver();
        return work();
      }) as T;
    });
  }

  /** Bytes of the answer to a call that has an idempotency key. */
  #once(bound: BoundMethod, message: unknown, call: RunningCall, key: string, request: Uint8Array | Message) {
    if (!this.#idempotency)
      throw failedPrecondition('IDEMPOTENCY_UNSUPPORTED', 'idempotency keys need a store, and none is enabled');
    const { responseSerialize } = bound.definition;
    return this.#idempotency.run(call, key, fingerprint(bound, request), async (keep) => {
      call.keep = (tx, answer) => keep(tx, responseSerialize(answer));
      return responseSerialize(await bound.handle(message, call));
    });
  }

  async *#readEach(bound: BoundMethod, requests: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
    for await (const bytes of requests) yield this.#requests?.read(bound, bytes);
  }

  #begin(method: ApiMethod, deadline: number, origin: CallOrigin): RunningCall {
    const requestId = requestIdOf(origin.requestId);
    origin.onRequestId?.(requestId);
    return new RunningCall(method.path, ANONYMOUS, requestId, deadline, origin.signal, this.#log);
  }

  #find({ path }: ApiMethod, kind: DescMethod['methodKind']): BoundMethod {
    const bound = this.methods.get(path);
    if (bound === undefined) throw new DomainError('UNIMPLEMENTED', 'UNKNOWN_METHOD', `there is no method ${path}`);
    if (bound.descriptor.methodKind !== kind) throw new Error(`${path} was called as ${kind}, which it is not`);
    return bound;
  }

  #iterate(bound: BoundMethod, message: unknown, call: RunningCall, place: string | undefined): AsyncIterator<unknown> {
    try {
      return (bound.handle(message, call) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    } catch (error) {
      this.#streams.leave(place);
      throw error;
    }
  }

  /** The stream keeps its place until its generator has really ended, however long that takes. */
  async #close(messages: AsyncIterator<unknown>, place: string | undefined): Promise<void> {
    try {
      await messages.return?.();
    } catch {
      // Its reader is gone, and the call's end is logged.
    } finally {
      this.#streams.leave(place);
    }
  }

  #fail(error: unknown, call: RunningCall, method: ApiMethod, ms: number): CallError {
    const mapped = toCallError(error, call.requestId, call.explanation);
    if (isForeseen(error)) this.#accessLog.failed(call, method, mapped, ms);
    else this.#accessLog.unforeseen(call, error, ms);
    return mapped;
  }
}

/** Throws PERMISSION_DENIED where the method is for callers on this machine, and this one is not known to be there. */
function admit({ policy, path }: BoundMethod, origin: CallOrigin): void {
  if (policy.from === 'loopback' && !isLoopback(origin.peer?.()))
    throw new DomainError(
      'PERMISSION_DENIED',
      'LOOPBACK_ONLY',
      `${path} takes calls from the server's own machine only`,
    );
}

function keyOf(message: unknown, origin: CallOrigin): string | undefined {
  return idempotencyKey(message as Readonly<Record<string, unknown>>, origin.header('idempotency-key'));
}
