import { invalidField } from '../../core/contracts/errors.ts';
import { isUuid } from '../../core/lib/uuid.ts';

const KEY = /^[A-Z0-9]{2,10}-[1-9][0-9]{0,14}$/;

/** An id or a key, in the letter case in which it is stored. */
export type IssueId = { readonly id: string } | { readonly key: string };

/** How a request names an issue: by its id, or by its key in any letter case; undefined where it is neither. */
export function issueIdOf(text: string): IssueId | undefined {
  if (isUuid(text)) return { id: text.toLowerCase() };
  const key = text.toUpperCase();
  return KEY.test(key) ? { key } : undefined;
}

/** The same for the request's field; INVALID_ARGUMENT where it is neither. */
export function parseIssueId(text: string, field = 'id'): IssueId {
  const id = issueIdOf(text);
  if (!id) throw invalidField(field, 'must be the id of an issue, a UUID, or its key, like CORE-12');
  return id;
}
