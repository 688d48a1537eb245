import { CallError } from '../../core/contracts/api.ts';
import { DomainError, isDomainError } from '../../core/contracts/errors.ts';
import type { StoreError } from '../../core/contracts/store.ts';
import { inBounds } from '../../core/lib/rpc-status.ts';

/** True for a CallError, also when it came from another copy of this package. */
function isCallError(error: unknown): error is CallError {
  return error instanceof CallError || (error instanceof Error && error.name === 'CallError' && 'status' in error);
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
 * INTERNAL and shows nothing but the request id. `explanation` goes into the metadata of either.
 */
export function toCallError(
  error: unknown,
  requestId: string,
  explanation?: Readonly<Record<string, string>>,
): CallError {
  if (isCallError(error)) return error;
  const shown = isForeseen(error)
    ? error
    : new DomainError('INTERNAL', 'INTERNAL', 'internal error', { metadata: { requestId } });
  return new CallError(inBounds(explanation ? explained(shown, explanation) : shown));
}

function explained(error: DomainError, explanation: Readonly<Record<string, string>>): DomainError {
  const { code, reason, message, fields, retryAfterMs } = error;
  const metadata = { ...explanation, ...error.metadata };
  return new DomainError(code, reason, message, {
    fields,
    metadata,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
