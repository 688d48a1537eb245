/**
 * The errors that cross a port. A service, a store, a cache throws a DomainError; the api plugin maps it to a gRPC
 * status, an HTTP status and google.rpc details, in one place. Anything else that is thrown reaches the client as
 * INTERNAL without its text.
 */

/** Canonical codes, as in google.rpc.Code, with the HTTP status each becomes. */
export const codes = {
  CANCELLED: { grpc: 1, http: 499 },
  UNKNOWN: { grpc: 2, http: 500 },
  INVALID_ARGUMENT: { grpc: 3, http: 400 },
  DEADLINE_EXCEEDED: { grpc: 4, http: 504 },
  NOT_FOUND: { grpc: 5, http: 404 },
  ALREADY_EXISTS: { grpc: 6, http: 409 },
  PERMISSION_DENIED: { grpc: 7, http: 403 },
  RESOURCE_EXHAUSTED: { grpc: 8, http: 429 },
  FAILED_PRECONDITION: { grpc: 9, http: 400 },
  ABORTED: { grpc: 10, http: 409 },
  OUT_OF_RANGE: { grpc: 11, http: 400 },
  UNIMPLEMENTED: { grpc: 12, http: 501 },
  INTERNAL: { grpc: 13, http: 500 },
  UNAVAILABLE: { grpc: 14, http: 503 },
  DATA_LOSS: { grpc: 15, http: 500 },
  UNAUTHENTICATED: { grpc: 16, http: 401 },
} as const;

export type Code = keyof typeof codes;

/** Reasons whose HTTP status differs from that of their code. */
export const httpStatusByReason: Readonly<Record<string, number>> = { ETAG_MISMATCH: 412, KEY_REUSED: 422 };

/** The domain of every ErrorInfo that the tracker sends. */
export const ERROR_DOMAIN = 'issue-tracker';

/** An error names no more fields than these. */
export const MAX_VIOLATIONS = 25;

export interface FieldViolation {
  /** The path of the field in the request, in proto names: 'due_at', 'items[2].summary'. */
  readonly field: string;
  /** What is allowed, as a sentence. Never the value that was sent. */
  readonly description: string;
  /** UPPER_SNAKE, or the id of the rule that was broken. */
  readonly reason?: string;
}

export interface ErrorOptions {
  readonly fields?: readonly FieldViolation[];
  /** Goes into ErrorInfo.metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When to try again, in milliseconds; goes into RetryInfo. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class DomainError extends Error {
  override readonly name: string = 'DomainError';
  readonly code: Code;
  /** UPPER_SNAKE, stable: programs branch on it. */
  readonly reason: string;
  readonly fields: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, reason: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = reason;
    this.fields = options.fields ?? [];
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
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

/** INVALID_ARGUMENT that names one field. */
export function invalidField(field: string, description: string, reason = 'INVALID_FIELD'): DomainError {
  return new DomainError('INVALID_ARGUMENT', reason, `${field}: ${description}`, {
    fields: [{ field, description, reason }],
  });
}

/** INVALID_ARGUMENT that names every field that is wrong; there is at least one. */
export function invalidFields(fields: readonly FieldViolation[], reason = 'INVALID_FIELD'): DomainError {
  const [first, ...others] = fields;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  const place = first?.field === '' ? '' : `${first?.field}: `;
  return new DomainError('INVALID_ARGUMENT', reason, `${place}${first?.description}${more}`, { fields });
}

/** ALREADY_EXISTS that names the field whose value is taken. */
export function alreadyExists(field: string, description: string, reason: string): DomainError {
  return new DomainError('ALREADY_EXISTS', reason, `${field}: ${description}`, {
    fields: [{ field, description, reason }],
  });
}

/** NOT_FOUND; `what` is 'user', 'project' ...; ids are no secret. */
export function notFound(what: string, id: string): DomainError {
  return new DomainError(
    'NOT_FOUND',
    `${what.toUpperCase().replaceAll(' ', '_')}_NOT_FOUND`,
    `${what} ${id} does not exist`,
    {
      metadata: { id },
    },
  );
}

/** ABORTED / 412: the resource is no longer the one that was read. */
export function etagMismatch(what: string, id: string): DomainError {
  return new DomainError(
    'ABORTED',
    'ETAG_MISMATCH',
    `${what} ${id} has changed since it was read: read it again, then repeat the change with its new etag`,
    { metadata: { id } },
  );
}

export function failedPrecondition(
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): DomainError {
  return new DomainError('FAILED_PRECONDITION', reason, message, { metadata });
}
