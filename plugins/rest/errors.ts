import { STATUS_CODES } from 'node:http';
import { CallError } from '../../core/contracts/api.ts';
import type { Code, ErrorOptions, FieldViolation } from '../../core/contracts/errors.ts';
import { codes, DomainError, ERROR_DOMAIN, httpStatusByReason, MAX_VIOLATIONS } from '../../core/contracts/errors.ts';

/** What the gateway itself refuses, before a method is called. */
export class GatewayError extends DomainError {
  /** Where it is not the one of the code: 405, 413, 415. */
  readonly httpStatus: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: Code,
    reason: string,
    message: string,
    options: ErrorOptions & { readonly httpStatus?: number; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, reason, message, options);
    this.httpStatus = options.httpStatus;
    this.headers = options.headers ?? {};
  }
}

export function badRequest(reason: string, message: string): GatewayError {
  return new GatewayError('INVALID_ARGUMENT', reason, message);
}

/** `fields` is not empty; its first entry makes the message. */
export function badFields(fields: readonly FieldViolation[]): GatewayError {
  const bounded = fields.slice(0, MAX_VIOLATIONS).map((violation) => ({ ...violation, field: shown(violation.field) }));
  const first = bounded[0]!;
  const more = bounded.length === 1 ? '' : ` (and ${bounded.length - 1} more)`;
  return new GatewayError(
    'INVALID_ARGUMENT',
    first.reason ?? 'INVALID_FIELD',
    `${first.field}: ${first.description}${more}`,
    {
      fields: bounded,
    },
  );
}

export function badField(field: string, description: string, reason = 'INVALID_FIELD'): GatewayError {
  return badFields([{ field, description, reason }]);
}

/** A name that the caller chose, fit for an answer. */
function shown(name: string): string {
  return name.slice(0, 256).toWellFormed();
}

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The AIP-193 form of an error. Anything but a CallError or a GatewayError becomes INTERNAL without its text. */
export function errorAnswer(error: unknown): ErrorAnswer {
  const known =
    error instanceof CallError || error instanceof GatewayError
      ? error
      : new GatewayError('INTERNAL', 'INTERNAL', 'internal error');
  const own = known instanceof GatewayError ? known : undefined;
  const status =
    own?.httpStatus ??
    (Object.hasOwn(httpStatusByReason, known.reason) ? httpStatusByReason[known.reason]! : codes[known.code].http);
  const details: object[] = [
    { '@type': `${TYPES}ErrorInfo`, reason: known.reason, domain: ERROR_DOMAIN, metadata: known.metadata },
  ];
  if (known.fields.length > 0)
    details.push({
      '@type': `${TYPES}BadRequest`,
      fieldViolations: known.fields.map(({ field, description, reason }) => ({
        field,
        description,
        ...(reason !== undefined && { reason }),
      })),
    });
  const headers: Record<string, string> = { ...own?.headers };
  if (known.retryAfterMs !== undefined) {
    details.push({ '@type': `${TYPES}RetryInfo`, retryDelay: `${known.retryAfterMs / 1000}s` });
    headers['Retry-After'] = String(Math.ceil(known.retryAfterMs / 1000));
  }
  const body = JSON.stringify({ error: { code: status, status: known.code, message: known.message, details } });
  return { status, headers, body };
}

const TYPES = 'type.googleapis.com/google.rpc.';

/** The reason phrase; 499 is not in the registry. */
export function statusText(status: number): string {
  return STATUS_CODES[status] ?? 'Client Closed Request';
}
