import { invalidField } from '../contracts/errors.ts';

/** The JSON name of a field's proto name. */
export const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/**
 * Which of the fields an update changes, in the order of `allowed` (proto names): those that the mask names, in
 * proto or JSON names; all for '*'; without a mask those that are present in the request. INVALID_ARGUMENT for a
 * path that is not one of them.
 */
export function maskedFields<F extends string>(
  request: object,
  allowed: readonly F[],
  mask: readonly string[] | undefined,
): F[] {
  const paths = mask ?? [];
  if (paths.length === 0)
    return allowed.filter((field) => (request as Record<string, unknown>)[camelCase(field)] !== undefined);
  if (paths.length === 1 && paths[0] === '*') return [...allowed];
  const named = new Set(paths);
  const known = new Set(allowed.flatMap((field) => [field as string, camelCase(field)]));
  for (const path of named)
    if (!known.has(path))
      throw invalidField('update_mask', `takes ${allowed.join(', ')}, or '*' alone for all of them`);
  return allowed.filter((field) => named.has(field) || named.has(camelCase(field)));
}
