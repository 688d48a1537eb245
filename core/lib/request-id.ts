import { randomUUID } from 'node:crypto';

const USABLE = /^[\x21-\x7e]{1,128}$/;

/** The caller's own request id where it is 1 to 128 visible ASCII characters, else a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && USABLE.test(given) ? given : randomUUID();
}
