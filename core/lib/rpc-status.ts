import type { Any } from '../../proto/gen/google/protobuf/any.ts';
import { BadRequest, ErrorInfo, RetryInfo } from '../../proto/gen/google/rpc/error_details.ts';
import { Status } from '../../proto/gen/google/rpc/status.ts';
import {
  type Code,
  codes,
  type DomainError,
  ERROR_DOMAIN,
  type FieldViolation,
  MAX_VIOLATIONS,
} from '../contracts/errors.ts';

const MAX_MESSAGE_BYTES = 1024;
const MAX_STATUS_BYTES = 8192;
const MAX_NAME_BYTES = 256;

/** An error as it may leave the process. */
export interface BoundedError {
  readonly code: Code;
  readonly reason: string;
  readonly message: string;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  /** A serialized google.rpc.Status with ErrorInfo, and BadRequest and RetryInfo where they apply; at most 8 KiB. */
  readonly status: Uint8Array;
}

/** An error in bounds: well-formed text, the message at most 1 KiB, and of fields and metadata as much as fits. */
export function inBounds(error: DomainError): BoundedError {
  const { code, reason, retryAfterMs } = error;
  const message = cut(error.message, MAX_MESSAGE_BYTES);
  let fields = error.fields.slice(0, MAX_VIOLATIONS).map(cutViolation);
  let metadata = Object.fromEntries(
    Object.entries(error.metadata).map(([key, value]) => [
      cut(key, MAX_NAME_BYTES),
      cut(String(value), MAX_MESSAGE_BYTES),
    ]),
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
  return { code, reason, message, fields, metadata, retryAfterMs, status };
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
