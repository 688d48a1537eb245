import { hash } from 'node:crypto';
import type { Context } from 'koa';
import { answer } from './answer.ts';
import type { Gzip } from './gzip.ts';
import type { WrittenJson } from './json-writer.ts';
import { entityTag, isKnown, type KnownTags, representationTag } from './preconditions.ts';

const DIGEST_LENGTH = 16;

/**
 * Answers with a message. What was read and has an etag can be validated: its tag is that of this representation, and
 * a caller that has it, as `known` says, gets 304. The answer to a change has the resource's own tag. What is returned,
 * if anything, has to be waited for.
 */
export function represent(
  ctx: Context,
  written: WrittenJson,
  known: KnownTags | undefined,
  gzip: Gzip | undefined,
): Promise<void> | undefined {
  const { body } = written;
  const etag = written.noted === undefined ? undefined : entityTag(written.noted);
  const { req: request, res: response } = ctx;
  response.setHeader('Content-Type', 'application/json');
  gzip?.setVary(response, body);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (etag !== undefined && isRead) {
    const tag = representationTag(etag, hash('sha256', body, 'base64url').slice(0, DIGEST_LENGTH));
    response.setHeader('ETag', tag);
    // Kept by the caller alone, and used again only after it was asked for.
    response.setHeader('Cache-Control', 'private, no-cache');
    if (known !== undefined && isKnown(known, tag)) {
      answer(ctx, 304, undefined);
      return undefined;
    }
  } else if (etag !== undefined) response.setHeader('ETag', etag);
  const compressing = gzip?.encode(request, response, body);
  if (compressing !== undefined) return compressing.then((bytes) => answer(ctx, 200, bytes));
  answer(ctx, 200, body);
  return undefined;
}
