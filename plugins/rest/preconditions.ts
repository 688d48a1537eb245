import { badRequest, GatewayError } from './errors.ts';

const ENTITY_TAG = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;

const UNQUOTED = /^[A-Za-z0-9_-]+$/;

/**
 * The etag that an If-Match header asks for (RFC 9110, 13.1.1: strong comparison); undefined for '*', which any
 * existing resource matches. Several strong tags cannot be asked for: a request has one etag.
 */
export function parseIfMatch(header: string): string | undefined {
  if (header.trim() === '*') return undefined;
  // An etag as it stands in the JSON, without the quotes that the header wants: what it means is beyond doubt.
  const bare = UNQUOTED.exec(header.trim())?.[0];
  if (bare !== undefined) return bare;
  const strong: string[] = [];
  if (header.trim() === '') throw invalid(WANTED);
  ENTITY_TAG.lastIndex = 0;
  while (ENTITY_TAG.lastIndex < header.length) {
    const tag = ENTITY_TAG.exec(header);
    if (tag === null) throw invalid(WANTED);
    if (tag[1] === undefined) strong.push(tag[2]!);
  }
  if (strong.length > 1) throw invalid('takes one entity tag here, not several');
  if (strong.length === 0)
    throw new GatewayError(
      'ABORTED',
      'ETAG_MISMATCH',
      'If-Match compares strongly, and a weak entity tag matches nothing: send the etag without W/',
    );
  if (strong[0] === '') throw invalid(WANTED);
  return strong[0];
}

const WANTED = 'takes * or one entity tag in double quotes, as the header ETag gave it';

function invalid(what: string): GatewayError {
  return badRequest('INVALID_IF_MATCH', `the header If-Match ${what}`);
}

/** The header ETag for an etag; undefined for one that cannot stand in a header. */
export function entityTag(etag: string): string | undefined {
  return /^[\x21\x23-\x7e]+$/.test(etag) ? `"${etag}"` : undefined;
}
