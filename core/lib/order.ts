import { invalidField } from '../contracts/errors.ts';
import type { Order } from '../contracts/query.ts';

/**
 * Reads `order_by`: 'created_at', 'priority desc'. `allowed` maps what may be written to the store's columns; a list
 * of several fields is written there as 'status,created_at', and goes in one direction. Empty = `fallback`.
 * INVALID_ARGUMENT that lists what is allowed.
 */
export function parseOrder(
  orderBy: string,
  allowed: Readonly<Record<string, readonly string[]>>,
  fallback: Order,
): Order {
  if (orderBy.trim() === '') return fallback;
  const refuse = (why = '') =>
    invalidField(
      'order_by',
      `${why}must be one of: ${Object.keys(allowed).join('; ')}; each may be followed by asc or desc`,
    );
  const terms = orderBy.split(',').map((term) => /^\s*([\w.]+)(?:\s+(asc|desc))?\s*$/.exec(term));
  const names: string[] = [];
  let descending: boolean | undefined;
  for (const term of terms) {
    if (!term) throw refuse();
    const down = term[2] === 'desc';
    if (descending !== undefined && descending !== down) throw refuse('all fields go in one direction; ');
    descending = down;
    names.push(term[1] as string);
  }
  const name = names.join(',');
  const columns = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
  if (!columns) throw refuse();
  return descending ? { columns, descending } : { columns };
}
