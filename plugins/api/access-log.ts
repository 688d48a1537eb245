import type { ApiMethod, CallError } from '../../core/contracts/api.ts';
import type { Code } from '../../core/contracts/errors.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { shuttingDown } from '../../core/lib/open-streams.ts';
import type { RunningCall } from './call.ts';
import type { BoundMethod } from './methods.ts';

export type LogCalls = 'slow' | 'all' | 'none';

/** The server's own failures are warnings; every other code is the caller's doing. */
const OWN_FAILURES: ReadonlySet<Code> = new Set(['INTERNAL', 'UNKNOWN', 'DATA_LOSS', 'UNAVAILABLE']);

/**
 * One line a call ('all'), or one for each that was slow or failed ('slow'). Never a request or a response. An error that nobody foresaw is logged with its stack in every mode.
 */
export class AccessLog {
  readonly #log: Logger;
  readonly #mode: LogCalls;
  readonly #slowMs: number;

  constructor(log: Logger, mode: LogCalls, slowMs: number) {
    this.#log = log;
    this.#mode = mode;
    this.#slowMs = slowMs;
  }

  ok(call: RunningCall, method: BoundMethod, ms: number): void {
    if (this.#mode === 'all') this.#log.info(line(call, 'OK', ms), 'call');
    else if (this.#isSlow(method, ms)) this.#log.info(line(call, 'OK', ms), 'slow call');
  }

  /** A caller who goes is refused nothing; that one had waited for long, or sent for long, is worth a line. */
  failed(call: RunningCall, method: ApiMethod, { code, reason }: CallError, ms: number): void {
    const isLeft = code === 'CANCELLED';
    const isUsual = method.responseStream ? isUsualEnd(code, reason) : isLeft && ms <= this.#slowMs;
    if (this.#mode === 'none' || (this.#mode === 'slow' && isUsual)) return;
    const fields = { ...line(call, code, ms), reason };
    if (OWN_FAILURES.has(code)) this.#log.warn(fields, 'call failed');
    else this.#log.info(fields, isLeft ? 'call cancelled' : 'call refused');
  }

  unforeseen(call: RunningCall, error: unknown, ms: number): void {
    this.#log.error({ ...line(call, 'INTERNAL', ms), err: error }, 'call failed for a reason nobody foresaw');
  }

  /** A stream takes as long as its reader likes, who ends it by going. */
  #isSlow(method: BoundMethod, ms: number): boolean {
    return this.#mode === 'slow' && ms > this.#slowMs && method.descriptor.methodKind === 'unary';
  }
}

/** Of a stream: its reader went, or the server stops, which ten thousand lines would not say better than one. */
function isUsualEnd(code: Code, reason: string): boolean {
  return code === 'CANCELLED' || reason === shuttingDown().reason;
}

function line({ method, requestId, actor }: RunningCall, code: Code | 'OK', ms: number): object {
  return { method, code, ms: Math.round(ms * 100) / 100, requestId, actor: actor.userId ?? actor.kind };
}
