import { etagMismatch } from '../contracts/errors.ts';

/** The etag of a row: opaque to clients, different after every change of the row. */
export function etagOf(row: { readonly version: number }): string {
  return row.version.toString(36);
}

/** Throws ETAG_MISMATCH unless the etag is that of the row, or empty (the caller does not ask). */
export function checkEtag(what: string, id: string, etag: string, row: { readonly version: number }): void {
  if (etag !== '' && etag !== etagOf(row)) throw etagMismatch(what, id);
}
