import type { Value } from '../contracts/query.ts';

/** Sort below and above every value and null; they stand for an open end and are never stored. */
export const LOWEST = Symbol('lowest');
export const HIGHEST = Symbol('highest');
export type Bound = Value | null | typeof LOWEST | typeof HIGHEST;

/** Surrogates stand for code points above U+FFFF, so they rank above the units U+E000 to U+FFFF. */
const rankOfUnit = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);

/** Order by code point. JavaScript's `<` goes by UTF-16 unit and puts U+1F600 before U+FFFD. */
export function compareText(a: string, b: string): number {
  const length = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return x < 0xd800 || y < 0xd800 ? x - y : rankOfUnit(x) - rankOfUnit(y);
  }
  return a.length - b.length;
}

const rank = (value: Bound): number => {
  if (value === LOWEST) return 0;
  if (value === HIGHEST) return 4;
  if (value === null) return 3;
  return value === true ? 2 : 1;
};

/** The order of two values of one column: false before true, null after every value. */
export function compareValues(a: Bound, b: Bound): number {
  if (a === b) return 0;
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0;
  return rank(a) - rank(b);
}

/** Whether the text begins with the first part, ends with the last, and holds those between in order; see query.ts. */
export function matchesParts(text: string, parts: readonly string[]): boolean {
  const first = parts[0]!;
  const last = parts.at(-1)!;
  let from = first.length;
  const end = text.length - last.length;
  if (end < from || !text.startsWith(first) || !text.endsWith(last)) return false;
  for (let i = 1; i < parts.length - 1; i++) {
    const at = text.indexOf(parts[i]!, from);
    if (at === -1) return false;
    from = at + parts[i]!.length;
    if (from > end) return false;
  }
  return true;
}

/** The least text above every text that begins with the prefix; undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0)!);
  for (let last = points.pop(); last !== undefined; last = points.pop())
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  return undefined;
}
