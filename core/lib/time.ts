import type { Timestamp } from '../../proto/gen/google/protobuf/timestamp.ts';
import type { Clock } from '../contracts/clock.ts';
import { invalidField } from '../contracts/errors.ts';

// A column holds microseconds as a safe integer, which reaches from 1684 to 2255.
const MIN_SECONDS = Date.UTC(1685, 0, 1) / 1000;
const MAX_SECONDS = Date.UTC(2255, 0, 1) / 1000 - 1;
const MICROS = 1_000_000;

// The system's time in whole milliseconds, refined by the monotonic clock, from which it is set anew when they part.
let offset = Date.now() - performance.now();
let last = 0;

/** The system's time. It never goes backwards within the process, also when the system's clock is set back. */
export const systemClock: Clock = {
  now() {
    const elapsed = performance.now();
    const wall = Date.now();
    if (Math.abs(elapsed + offset - wall) > 2) offset = wall - elapsed;
    last = Math.max(last, Math.floor((elapsed + offset) * 1000));
    return last;
  },
};

/** A timestamp as messages carry it; undefined for null. */
export function toTimestamp(micros: number | null): Timestamp | undefined {
  if (micros === null) return undefined;
  const seconds = Math.floor(micros / MICROS);
  return { seconds: BigInt(seconds), nanos: (micros - seconds * MICROS) * 1000 };
}

/** Microseconds; finer digits are cut off. null for undefined. INVALID_ARGUMENT outside the years 1685 to 2254. */
export function fromTimestamp(timestamp: Timestamp | undefined, field: string): number | null {
  if (timestamp === undefined) return null;
  const { seconds, nanos } = timestamp;
  if (seconds < MIN_SECONDS || seconds > MAX_SECONDS)
    throw invalidField(field, 'must be in the years 1685 to 2254 (times are kept in microseconds)');
  if (!Number.isInteger(nanos) || nanos < 0 || nanos > 999_999_999)
    throw invalidField(field, 'nanos must be from 0 to 999999999');
  return Number(seconds) * MICROS + Math.floor(nanos / 1000);
}

/** True for times that columns can hold: the years 1685 to 2254. */
export function isTime(micros: number): boolean {
  return micros >= MIN_SECONDS * MICROS && micros < (MAX_SECONDS + 1) * MICROS;
}

const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;

/** Microseconds, finer digits cut off; undefined for anything but an RFC 3339 time of the years 1685 to 2254. */
export function parseRfc3339(text: string): number | undefined {
  const [match, day, time, fraction = '', sign, hours, minutes] = RFC_3339.exec(text) ?? [];
  if (match === undefined) return undefined;
  const local = `${day}T${time}.000Z`;
  const millis = Date.parse(local);
  // Date takes 30 February for 1 March, and 24:00 for the next day.
  if (Number.isNaN(millis) || new Date(millis).toISOString() !== local) return undefined;
  const shift = sign === undefined ? 0 : (Number(hours) * 60 + Number(minutes)) * 60 * (sign === '+' ? -1 : 1);
  const micros = millis * 1000 + shift * MICROS + Number(fraction.padEnd(6, '0').slice(0, 6));
  return isTime(micros) ? micros : undefined;
}

/** UTC with as many of 0, 3 or 6 fractional digits as the time needs, as in proto3 JSON. */
export function formatRfc3339(micros: number): string {
  const seconds = Math.floor(micros / MICROS);
  const fraction = String(micros - seconds * MICROS).padStart(6, '0');
  const digits = fraction === '000000' ? '' : `.${fraction.endsWith('000') ? fraction.slice(0, 3) : fraction}`;
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${digits}Z`;
}
