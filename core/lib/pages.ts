import { hash } from 'node:crypto';
import { invalidField } from '../contracts/errors.ts';

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 1000;

/** How many rows a page holds for what was asked: 0 = 50, above 1000 = 1000. */
export function pageSize(requested: number): number {
  if (requested < 0) throw invalidField('page_size', 'must not be negative; 0 stands for 50');
  return Math.min(requested === 0 ? DEFAULT_PAGE_SIZE : requested, MAX_PAGE_SIZE);
}

const CHECKSUM_BYTES = 12;

/** Covers the query by its digest, so that no cursor can be mistaken for a part of it. */
function checksum(cursor: Uint8Array, query: string): Buffer {
  const digest = hash('sha256', query, 'buffer');
  return hash('sha256', Buffer.concat([digest, cursor]), 'buffer').subarray(0, CHECKSUM_BYTES);
}

/**
 * A page token, opaque to clients, from the cursor where the page begins. `query` names the list with all that
 * decides which rows it has in which order, and not the size of a page, which may change from page to page.
 */
export function writeToken(cursor: string, query: string): string {
  const bytes = Buffer.from(cursor);
  return Buffer.concat([checksum(bytes, query), bytes]).toString('base64url');
}

/** The cursor of a token; undefined for ''. INVALID_ARGUMENT for a token that is damaged or of another query. */
export function readToken(token: string, query: string): string | undefined {
  if (token === '') return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const cursor = bytes.subarray(CHECKSUM_BYTES);
  // Node decodes leniently, so what does not encode to the same text was tampered with.
  if (bytes.toString('base64url') !== token || !bytes.subarray(0, CHECKSUM_BYTES).equals(checksum(cursor, query)))
    throw invalidField(
      'page_token',
      'must be empty or the next_page_token of a page of the same list with the same filter and order',
    );
  return cursor.toString();
}
