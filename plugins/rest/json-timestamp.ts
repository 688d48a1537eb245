import { WireType } from '@bufbuild/protobuf/wire';
import { type TextReader, tagOf, Unusual } from './text-reader.ts';

export const TIMESTAMP = 'google.protobuf.Timestamp';

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const MIN_SECONDS = -62_135_596_800;
const MAX_SECONDS = 253_402_300_799;
const SECONDS_TAG = tagOf(1, WireType.Varint);
const NANOS_TAG = tagOf(2, WireType.Varint);
const DAY = 86_400;
/** About as many days as a store has rows of. */
const MAX_DATES = 4096;

export function writeTimestamp(reader: TextReader, end: number): string {
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.wireTag();
    if (tag === SECONDS_TAG) seconds = reader.int64AsNumber();
    else if (tag === NANOS_TAG) nanos = reader.int32();
    else throw new Unusual();
  }
  const isInRange = seconds >= MIN_SECONDS && seconds <= MAX_SECONDS && nanos >= 0 && nanos < 1e9;
  if (reader.pos !== end || !isInRange) throw new Unusual();
  const day = Math.floor(seconds / DAY);
  const second = seconds - day * DAY;
  const minute = Math.floor(second / 60);
  const time = `${DIGITS[Math.floor(minute / 60)]}:${DIGITS[minute % 60]}:${DIGITS[second % 60]}`;
  return `"${dateOf(day)}${time}${fraction(nanos)}Z"`;
}

const DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

/** '2026-11-25T' by the days since 1970: to make one takes as long as all the rest. */
const dates = new Map<number, string>();

function dateOf(day: number): string {
  let date = dates.get(day);
  if (date === undefined) {
    date = new Date(day * DAY * 1000).toISOString().slice(0, 11);
    if (dates.size === MAX_DATES) dates.clear();
    dates.set(day, date);
  }
  return date;
}

/** With 3, 6 or 9 digits; none for 0. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  const digits = String(1e9 + nanos);
  return `.${digits.slice(1, nanos % 1000 !== 0 ? 10 : nanos % 1e6 !== 0 ? 7 : 4)}`;
}
