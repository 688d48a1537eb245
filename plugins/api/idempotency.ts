import { createHash } from 'node:crypto';
import { clearField, clone, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { ApiMethod } from '../../core/contracts/api.ts';
import { DomainError, invalidField } from '../../core/contracts/errors.ts';
import type { WriteTransaction } from '../../core/contracts/store.ts';
import type { Logger } from '../../core/kernel/index.ts';
import type { Answer, AnswerKey, Answers } from './answers.ts';
import type { RunningCall } from './call.ts';

/** In milliseconds before the call's deadline: so that a caller who waited for a twin learns that it was that. */
const TWIN_MARGIN = 25;
const TWIN_RETRY_AFTER = 1000;

const KEY = /^[\x21-\x7e]{1,255}$/;
/** A structured field is in quotes (RFC 8941). */
const QUOTED = /^"([^"\\]*)"$/;

/** The key of a call, in the header or in the request; undefined where it has none. */
export function idempotencyKey(request: Readonly<Record<string, unknown>>, header: string | undefined) {
  const field = request['requestId'] ?? request['request_id'];
  const given = typeof field === 'string' && field !== '' ? field : undefined;
  const sent = header === undefined ? undefined : (QUOTED.exec(header)?.[1] ?? header);
  if (given !== undefined && sent !== undefined && given !== sent)
    throw invalidField('request_id', 'must be what the header Idempotency-Key says, or be left out', 'FIELD_CONFLICT');
  const key = given ?? sent;
  if (key !== undefined && !KEY.test(key))
    throw invalidField('request_id', 'an idempotency key is 1 to 255 visible ASCII characters');
  return key;
}

/** What tells two valid requests of a method apart, but for the key itself; in base64url. */
export function fingerprint({ descriptor: { input } }: ApiMethod, request: Uint8Array | Message): string {
  const field = input.fields.find(({ name }) => name === 'request_id');
  const message = request instanceof Uint8Array ? fromBinary(input, request) : clone(input, request);
  if (field) clearField(message, field);
  return createHash('sha256').update(toBinary(input, message)).digest('base64url');
}

type Handle = (keep: (tx: WriteTransaction, response: Uint8Array) => Promise<void>) => Promise<Uint8Array>;

/** A call that is under way, which its twins wait for: settles with its answer, or undefined where it has none. */
type Flight = Promise<Answer | undefined>;

/**
 * Answers calls that have a key once: the first runs, its answer is stored with its effect, and every repeat gets it.
 * Only successes are stored. Twins of one instance wait for each other here; those of several meet in the store, where
 * the second to commit finds the first's answer and is rolled back.
 */
export class Idempotency {
  readonly #answers: Answers;
  readonly #log: Logger;
  readonly #flights = new Map<string, Flight>();

  constructor(answers: Answers, log: Logger) {
    this.#answers = answers;
    this.#log = log;
  }

  /**
   * Runs `handle`, which makes the response's bytes, or returns the answer that is kept for this key. `handle` stores its
   * answer by what it is given.
   */
  async run(call: RunningCall, name: string, request: string, handle: Handle): Promise<Uint8Array> {
    const key: AnswerKey = [call.actor.userId ?? call.actor.kind, call.method, name];
    const id = key.join('\n');
    for (let flight = this.#flights.get(id); flight; flight = this.#flights.get(id)) {
      const answer = await patient(flight, call.deadline);
      if (answer) return replay(answer, request);
    }
    const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
    this.#flights.set(id, promise);
    let answer: Answer | undefined;
    try {
      answer = await this.#first(call, key, request, handle);
      return replay(answer, request);
    } finally {
      this.#flights.delete(id);
      resolve(answer);
    }
  }

  async #first(call: RunningCall, key: AnswerKey, request: string, handle: Handle): Promise<Answer> {
    const known = await this.#answers.find(key, call.cancellation);
    if (known && known !== 'over') return known;
    let kept: Answer | undefined;
    let response: Uint8Array;
    try {
      response = await handle(async (tx, response) => {
        kept = { request, response };
        await this.#answers.keep(tx, key, kept, known === 'over');
      });
    } catch (error) {
      // A twin on another instance was first: its answer kept this one's from being stored, or its effect is why this failed.
      const twin = await this.#answers.find(key).catch(() => undefined);
      if (twin && twin !== 'over') return twin;
      throw error;
    }
    if (!kept)
      this.#log.error({ method: call.method }, 'a method that takes keys did not keep its answer: a repeat runs anew');
    return kept ?? { request, response };
  }
}

function replay({ request, response }: Answer, asked: string): Uint8Array {
  if (request === asked) return response;
  throw invalidField('request_id', 'this key was used for another request: take a new one', 'KEY_REUSED');
}

/** Waits for a twin, but not past the deadline of the call that waits. */
async function patient(flight: Flight, deadline: number): Promise<Answer | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    const expire = () =>
      reject(
        new DomainError('ABORTED', 'TWIN_IN_FLIGHT', 'a call with this idempotency key is still under way: try again', {
          retryAfterMs: TWIN_RETRY_AFTER,
        }),
      );
    timer = setTimeout(expire, Math.max(0, deadline - Date.now() - TWIN_MARGIN));
  });
  try {
    return await Promise.race([flight, over]);
  } finally {
    clearTimeout(timer);
  }
}
