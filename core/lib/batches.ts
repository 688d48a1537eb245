import { DomainError, invalidField, isDomainError } from '../contracts/errors.ts';
import { sizeOf } from './list.ts';

/** A batch whose answer would be larger is refused: it has to fit a message, which has at most 4 MiB. */
export const MAX_BATCH_BYTES = 3.5 * 1024 * 1024;

/** True for what a service refuses by its own rules; false for an error of the store, and for an unforeseen one. */
export function isRefusal(error: unknown): error is DomainError {
  return isDomainError(error) && (error as Error).name !== 'StoreError';
}

/**
 * The refusal of one item as that of the whole call: message and fields begin with the item's place in `requests`,
 * which is also in the metadata.
 */
export function ofItem(index: number, error: DomainError): DomainError {
  const item = `requests[${index}]`;
  const [first] = error.fields;
  const joint = first && error.message.startsWith(`${first.field}: `) ? '.' : ': ';
  return new DomainError(error.code, error.reason, `${item}${joint}${error.message}`, {
    fields: error.fields.map((violation) => ({ ...violation, field: `${item}.${violation.field}` })),
    metadata: { ...error.metadata, item },
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    cause: error,
  });
}

/** INVALID_ARGUMENT for an item with an idempotency key of its own: a batch is one call, and has one. */
export function refuseItemKeys(requests: readonly { readonly requestId: string }[]): void {
  const index = requests.findIndex(({ requestId }) => requestId !== '');
  if (index >= 0) throw ofItem(index, invalidField('request_id', 'must be empty: it belongs to the call as a whole'));
}

/** Adds up what a batch will answer. */
export class BatchSize {
  #bytes = 0;

  /** A row, or anything whose properties are like a row's. INVALID_ARGUMENT when it is one too many. */
  add(row: object): void {
    this.addBytes(sizeOf(row));
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_BATCH_BYTES)
      throw invalidField('requests', 'must be fewer: what they answer is more than a message holds', 'BATCH_TOO_LARGE');
  }
}
