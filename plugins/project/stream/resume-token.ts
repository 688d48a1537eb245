import { hash } from 'node:crypto';
import { DomainError, invalidField } from '../../../core/contracts/errors.ts';
import type { Position } from '../../../core/contracts/log.ts';

const STORE_BYTES = 8;
const SEQ_BYTES = 6;
const MARK_BYTES = 4;
const CHECKSUM_BYTES = 6;
const BODY_BYTES = STORE_BYTES + SEQ_BYTES + MARK_BYTES;

/**
 * Up to an event of the log, where everything before it has come. The mark is of the event's id: a store that was restored
 * from a backup gives the same seq again, to other events.
 */
export interface Place {
  readonly seq: number;
  readonly mark: number;
}

export function placeOf({ seq, id }: Position): Place {
  return { seq, mark: hash('sha256', id, 'buffer').readUIntBE(0, MARK_BYTES) };
}

/** Resume tokens, opaque to clients: which store, up to which event of its log, and a checksum. */
export class ResumeTokens {
  readonly storeId: string;
  readonly #store: Buffer;

  constructor(storeId: string) {
    this.storeId = storeId;
    this.#store = hash('sha256', storeId, 'buffer').subarray(0, STORE_BYTES);
  }

  write({ seq, mark }: Place): string {
    const bytes = Buffer.alloc(BODY_BYTES + CHECKSUM_BYTES);
    this.#store.copy(bytes);
    bytes.writeUIntBE(seq, STORE_BYTES, SEQ_BYTES);
    bytes.writeUIntBE(mark, STORE_BYTES + SEQ_BYTES, MARK_BYTES);
    checksum(bytes.subarray(0, BODY_BYTES)).copy(bytes, BODY_BYTES);
    return bytes.toString('base64url');
  }

  /** INVALID_ARGUMENT for what is damaged or none, OUT_OF_RANGE for one of another store. */
  read(token: string): Place {
    const bytes = Buffer.from(token, 'base64url');
    const body = bytes.subarray(0, BODY_BYTES);
    // Node decodes leniently, so what does not encode to the same text was tampered with.
    const sound =
      bytes.length === BODY_BYTES + CHECKSUM_BYTES &&
      bytes.toString('base64url') === token &&
      bytes.subarray(BODY_BYTES).equals(checksum(body));
    if (!sound)
      throw invalidField('resume_token', 'must be empty or the resume_token of a message of StreamProjectUpdates');
    if (!body.subarray(0, STORE_BYTES).equals(this.#store))
      throw outOfRange('RESUME_TOKEN_OF_ANOTHER_STORE', 'resume_token: it is of another store');
    return {
      seq: body.readUIntBE(STORE_BYTES, SEQ_BYTES),
      mark: body.readUIntBE(STORE_BYTES + SEQ_BYTES, MARK_BYTES),
    };
  }
}

function checksum(body: Uint8Array): Buffer {
  return hash('sha256', body, 'buffer').subarray(0, CHECKSUM_BYTES);
}

export function tokenExpired(): DomainError {
  return outOfRange('RESUME_TOKEN_EXPIRED', 'resume_token: what followed it is no longer kept');
}

export function tokenAhead(): DomainError {
  return outOfRange('RESUME_TOKEN_AHEAD', 'resume_token: it is ahead of what this store holds');
}

export function tokenOfAnotherHistory(): DomainError {
  return outOfRange(
    'RESUME_TOKEN_OF_ANOTHER_HISTORY',
    'resume_token: this store, restored from a backup that is older than the token, has another event at its place',
  );
}

function outOfRange(reason: string, message: string): DomainError {
  return new DomainError('OUT_OF_RANGE', reason, `${message}: begin anew, without a token and with include_snapshot`, {
    metadata: { restart: 'include_snapshot' },
  });
}
