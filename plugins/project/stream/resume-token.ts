import { hash } from 'node:crypto';
import { DomainError, invalidField } from '../../../core/contracts/errors.ts';

const STORE_BYTES = 8;
const SEQ_BYTES = 6;
const CHECKSUM_BYTES = 6;
const BODY_BYTES = STORE_BYTES + SEQ_BYTES;

/** Resume tokens, opaque to clients: which store, up to which event of its log, and a checksum. */
export class ResumeTokens {
  readonly storeId: string;
  readonly #store: Buffer;

  constructor(storeId: string) {
    this.storeId = storeId;
    this.#store = hash('sha256', storeId, 'buffer').subarray(0, STORE_BYTES);
  }

  write(seq: number): string {
    const bytes = Buffer.alloc(BODY_BYTES + CHECKSUM_BYTES);
    this.#store.copy(bytes);
    bytes.writeUIntBE(seq, STORE_BYTES, SEQ_BYTES);
    checksum(bytes.subarray(0, BODY_BYTES)).copy(bytes, BODY_BYTES);
    return bytes.toString('base64url');
  }

  /** INVALID_ARGUMENT for what is damaged or none, OUT_OF_RANGE for one of another store. */
  read(token: string): number {
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
    return body.readUIntBE(STORE_BYTES, SEQ_BYTES);
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

function outOfRange(reason: string, message: string): DomainError {
  return new DomainError('OUT_OF_RANGE', reason, `${message}: begin anew, without a token and with include_snapshot`, {
    metadata: { restart: 'include_snapshot' },
  });
}
