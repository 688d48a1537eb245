import type { IncomingHttpHeaders } from 'node:http';
import type { Policy } from '../../core/contracts/api.ts';
import { badRequest, GatewayError } from './errors.ts';

const ENTITY_TAG = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;

const UNQUOTED = /^[A-Za-z0-9_~-]+$/;

/** What the tag of a representation adds to the etag of its resource. */
const DIGEST = /(?<=.)~[A-Za-z0-9_-]{16}$/;

/**
 * The tag of one representation of a resource: an answer may show more than the resource (counts, details), so the
 * resource's etag alone would hide a change from who keeps a copy. `etag` is in its quotes; `digest` 16 characters.
 */
export function representationTag(etag: string, digest: string): string {
  return `${etag.slice(0, -1)}~${digest}"`;
}

/** The tags that a caller has, in their quotes; '*': any. */
export type KnownTags = ReadonlySet<string> | '*';

/**
 * What the header If-None-Match says, if it is there. Before the call: nothing is changed under a condition that is not
 * looked at, and nothing read for one that cannot be.
 */
export function checkNoneMatch(headers: IncomingHttpHeaders, effect: Policy['effect']): KnownTags | undefined {
  const header = headers['if-none-match']?.trim();
  if (header === undefined) return undefined;
  if (effect !== 'read')
    throw badRequest('IF_NONE_MATCH_UNSUPPORTED', 'this method cannot check the header If-None-Match: leave it out');
  if (header === '*') return '*';
  const tags = UNQUOTED.test(header) ? parseTags(`"${header}"`) : parseTags(header);
  if (tags === undefined)
    throw badRequest('INVALID_IF_NONE_MATCH', 'the header If-None-Match takes * or entity tags in double quotes');
  return new Set(tags.map(({ text }) => `"${text}"`));
}

/** Whether the caller has what the tag names (RFC 9110, 13.1.2: weak comparison). */
export function isKnown(known: KnownTags, tag: string): boolean {
  return known === '*' || known.has(tag);
}

/**
 * The etag that an If-Match header asks for (RFC 9110, 13.1.1: strong comparison); undefined for '*', which any
 * existing resource matches. Of a representation's tag it is the part of its resource. Several strong tags cannot be
 * asked for: a request has one etag.
 */
export function parseIfMatch(header: string): string | undefined {
  if (header.trim() === '*') return undefined;
  // An etag as it stands in the JSON, without the quotes that the header wants: what it means is beyond doubt.
  const bare = UNQUOTED.exec(header.trim())?.[0];
  if (bare !== undefined) return bare.replace(DIGEST, '');
  const tags = parseTags(header);
  if (tags === undefined) throw invalid(WANTED);
  const strong = tags.filter(({ isWeak }) => !isWeak);
  if (strong.length > 1) throw invalid('takes one entity tag here, not several');
  if (strong.length === 0)
    throw new GatewayError(
      'ABORTED',
      'ETAG_MISMATCH',
      'If-Match compares strongly, and a weak entity tag matches nothing: send the etag without W/',
    );
  if (strong[0]!.text === '') throw invalid(WANTED);
  return strong[0]!.text.replace(DIGEST, '');
}

interface EntityTag {
  readonly isWeak: boolean;
  /** Without the quotes. */
  readonly text: string;
}

/** At least one; undefined where the header is no list of tags in quotes. */
function parseTags(header: string): EntityTag[] | undefined {
  if (header.trim() === '') return undefined;
  const tags: EntityTag[] = [];
  ENTITY_TAG.lastIndex = 0;
  while (ENTITY_TAG.lastIndex < header.length) {
    const tag = ENTITY_TAG.exec(header);
    if (tag === null) return undefined;
    tags.push({ isWeak: tag[1] !== undefined, text: tag[2]! });
  }
  return tags;
}

const WANTED = 'takes * or one entity tag in double quotes, as the header ETag gave it';

function invalid(what: string): GatewayError {
  return badRequest('INVALID_IF_MATCH', `the header If-Match ${what}`);
}

/** The header ETag for an etag; undefined for one that cannot stand in a header. */
export function entityTag(etag: string): string | undefined {
  return /^[\x21\x23-\x7e]+$/.test(etag) ? `"${etag}"` : undefined;
}
