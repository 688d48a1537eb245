import { CallError } from '../../core/contracts/api.ts';
import { type Code, codes, type DomainError, ERROR_DOMAIN, type FieldViolation } from '../../core/contracts/errors.ts';
import type { StoreError } from '../../core/contracts/store.ts';
import type { Any } from '../../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';

export const MAX_VIOLATIONS = 25;
const MAX_MESSAGE_BYTES = 1024;
const MAX_STATUS_BYTES = 8192;
const MAX_NAME_BYTES = 256;

/** True for a CallError, also when it came from another copy of this package. */
function isCallError(error: unknown): error is CallError {
  return error instanceof CallError || (error instanceof Error && error.name === 'CallError' && 'status' in error);
}

/** True for a DomainError of any name, also when it came from another copy of this package. */
export function isDomainError(error: unknown): error is DomainError {
  if (!(error instanceof Error)) return false;
  const { code, reason, fields, metadata } = error as Partial<DomainError>;
  return (
    typeof code === 'string' &&
    Object.hasOwn(codes, code) &&
    typeof reason === 'string' &&
    Array.isArray(fields) &&
    typeof metadata === 'object'
  );
}

/** A store's error that a service should have turned into one about its request: our mistake, not the caller's. */
function isUnmapped(error: DomainError): boolean {
  const { name, kind, key } = error as Partial<StoreError>;
  return name === 'StoreError' && (kind === 'not_found' || kind === 'already_exists' || (kind === 'invalid' && !key));
}

/** True for what may be shown to a caller as it is, in bounds. */
export function isForeseen(error: unknown): error is CallError | DomainError {
  return isCallError(error) || (isDomainError(error) && !isUnmapped(error));
}

/**
 * What the caller gets to see of an error. A domain error goes out as it is, in bounds; anything else becomes
 * INTERNAL and shows nothing but the request id.
 */
export function toCallError(error: unknown, requestId: string): CallError {
  if (isCallError(error)) return error;
  if (!isForeseen(error)) return callError('INTERNAL', 'INTERNAL', 'internal error', [], { requestId }, undefined);
  const { code, reason, message, fields, metadata, retryAfterMs } = error;
  return callError(code, reason, message, fields, metadata, retryAfterMs);
}

function callError(
  code: Code,
  reason: string,
  text: string,
  violations: readonly FieldViolation[],
  info: Readonly<Record<string, string>>,
  retryAfterMs: number | undefined,
): CallError {
  const message = cut(text, MAX_MESSAGE_BYTES);
  let fields = violations.slice(0, MAX_VIOLATIONS).map(cutViolation);
  let metadata = Object.fromEntries(
    Object.entries(info).map(([key, value]) => [cut(key, MAX_NAME_BYTES), cut(String(value), MAX_MESSAGE_BYTES)]),
  );
  const build = () => encode(code, cut(reason, MAX_NAME_BYTES), message, fields, metadata, retryAfterMs);
  let status = build();
  while (status.length > MAX_STATUS_BYTES && fields.length > 0) {
    fields = fields.slice(0, Math.floor(fields.length * 0.8));
    status = build();
  }
  if (status.length > MAX_STATUS_BYTES) {
    metadata = {};
    status = build();
  }
  return new CallError({ code, reason, message, fields, metadata, retryAfterMs, status });
}

function cutViolation({ field, description, reason }: FieldViolation): FieldViolation {
  return {
    field: cut(field, MAX_NAME_BYTES),
    description: cut(description, MAX_MESSAGE_BYTES),
    ...(reason === undefined ? {} : { reason: cut(reason, MAX_NAME_BYTES) }),
  };
}

/** At most so many bytes of UTF-8, whole characters, no lone surrogates: grpc-js crashes on those. */
function cut(text: string, bytes: number): string {
  const sound = text.toWellFormed();
  if (sound.length * 3 <= bytes) return sound;
  const encoded = Buffer.from(sound);
  if (encoded.length <= bytes) return sound;
  let end = bytes;
  while (((encoded[end] ?? 0) & 0xc0) === 0x80) end--;
  return encoded.toString('utf8', 0, end);
}

function encode(
  code: Code,
  reason: string,
  message: string,
  fields: readonly FieldViolation[],
  metadata: Record<string, string>,
  retryAfterMs: number | undefined,
): Uint8Array {
  const details: Any[] = [
    pack('ErrorInfo', ErrorInfo.encode(ErrorInfo.fromPartial({ reason, domain: ERROR_DOMAIN, metadata })).finish()),
  ];
  if (fields.length > 0)
    details.push(
      pack('BadRequest', BadRequest.encode(BadRequest.fromPartial({ fieldViolations: [...fields] })).finish()),
    );
  if (retryAfterMs !== undefined) {
    const seconds = BigInt(Math.floor(retryAfterMs / 1000));
    const nanos = Math.round((retryAfterMs % 1000) * 1e6);
    details.push(
      pack('RetryInfo', RetryInfo.encode(RetryInfo.fromPartial({ retryDelay: { seconds, nanos } })).finish()),
    );
  }
  return Status.encode(Status.fromPartial({ code: codes[code].grpc, message, details })).finish();
}

function pack(type: string, value: Uint8Array): Any {
  return { typeUrl: `type.googleapis.com/google.rpc.${type}`, value: value as Any['value'] };
}
