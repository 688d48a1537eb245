import { randomFillSync } from 'node:crypto';

const pool = new Uint8Array(4096);
let used = pool.length;
let millis = 0;
let counter = 0;

function randomBytes(count: number): Uint8Array {
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += count;
  return pool.subarray(used - count, used);
}

/**
 * A new UUIDv7 (RFC 9562), lower case, greater than every other that this process made. Within a millisecond a
 * 32-bit counter with a random start (section 6.2, method 1) keeps the order; 42 bits are random in each.
 */
export function uuidv7(): string {
  const now = Date.now();
  if (now > millis) {
    millis = now;
    const [a, b, c, d] = randomBytes(4) as unknown as [number, number, number, number];
    // The top bit starts at 0, which leaves room for 2^31 ids before the counter overflows.
    counter = ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d;
  } else {
    counter += 1;
    if (counter > 0xffff_ffff) {
      millis += 1;
      counter = 0;
    }
  }
  const random = Buffer.from(randomBytes(6)).toString('hex');
  const time = millis.toString(16).padStart(12, '0');
  // After the version 12 bits of the counter, after the variant 14 and then the last 6, then 42 random bits.
  const high = (0x7000 | (counter >>> 20)).toString(16);
  const middle = (0x8000 | ((counter >>> 6) & 0x3fff)).toString(16);
  const low = (((counter & 0x3f) << 2) | (Number.parseInt(random.slice(0, 1), 16) & 0x3)).toString(16).padStart(2, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-${high}-${middle}-${low}${random.slice(2)}`;
}

/**
 * Makes the ids of what happens at one time, in microseconds: UUIDv7 whose order is that of the times, then that of the
 * calls of this, at random, and then that in which the ids are made. For the events of a transaction: none stands between two
 * of another's. After the milliseconds 12 bits hold the microseconds in them (RFC 9562, section 6.2, method 3), then 39 are
 * random, and 22 and more count.
 */
export function uuidv7Series(micros: number): () => string {
  const millis = Math.floor(micros / 1000);
  const time = millis.toString(16).padStart(12, '0');
  const random = randomBytes(6);
  const high = (0x7000 | (micros - millis * 1000)).toString(16);
  const middle = (0x8000 | ((random[0]! & 0x3f) << 8) | random[1]!).toString(16);
  const begin = `${time.slice(0, 8)}-${time.slice(8)}-${high}-${middle}-`;
  // The top bit starts at 0, which leaves room for the counter to run over.
  let low = (((random[2]! & 0x7f) << 18) | (random[3]! << 10) | (random[4]! << 2) | (random[5]! & 3)) * 2 ** 22;
  return () => begin + (low++).toString(16).padStart(12, '0');
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** True for a UUID of any version in its usual form, in upper or lower case. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
