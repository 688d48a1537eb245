import type { Outgoing } from '../cluster.ts';

/** So many messages go together at most. */
const MAX_MESSAGES = 500;

/** Cuts a list into batches of so many bytes at most; what is larger by itself is a batch of its own. */
export function* batches<T extends Outgoing & { readonly value: string }>(
  messages: Iterable<T>,
  maxBytes: number,
): Generator<T[], void, undefined> {
  let batch: T[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = Buffer.byteLength(message.value);
    if (batch.length > 0 && (batch.length === MAX_MESSAGES || bytes + size > maxBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
