import type { SeedRandom } from '../../core/contracts/seed.ts';

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

/** Values that some field is bound not to take. Made anew each time: some are large. */
const NASTY: readonly (() => unknown)[] = [
  () => null,
  () => '',
  () => true,
  () => 0,
  () => -1,
  () => 1.5,
  () => 1e300,
  () => 2 ** 53,
  () => '9223372036854775808',
  () => 'NaN',
  () => [],
  () => ({}),
  () => [[]],
  () => ({ __proto__: 1, constructor: 'x' }),
  () => deep(40),
  () => 'x'.repeat(30_000),
  () => '\0',
  () => 'a\ud800b',
  () => '2026-02-30T00:00:00Z',
  () => '../../etc/passwd',
  () => Array(2000).fill(0),
  () => '00000000-0000-0000-0000-000000000000',
];

export const nasty = (random: SeedRandom): unknown => random.pick(NASTY)();

/** One value somewhere in the JSON replaced, dropped, doubled or renamed. Changes `json`. */
export function mutateJson(json: unknown, random: SeedRandom): unknown {
  if (typeof json !== 'object' || json === null) return nasty(random);
  const holder = json as Record<string, unknown>;
  const keys = Object.keys(holder);
  const key = keys.length > 0 ? random.pick(keys) : undefined;
  switch (random.integer(0, 7)) {
    case 0:
      return nasty(random);
    case 1:
      if (key !== undefined) delete holder[key];
      return json;
    case 2:
      holder[random.pick(['nonsense', 'id', 'ID', 'update_mask', 'updateMask', '', '@type', 'toString'])] =
        nasty(random);
      return json;
    case 3:
      if (key !== undefined) holder[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = holder[key];
      return json;
    case 4:
      if (key !== undefined) holder[key] = [holder[key], holder[key]];
      return json;
    default:
      if (key !== undefined) holder[key] = mutateJson(holder[key], random);
      return json;
  }
}

/** A few bytes of the whole flipped, cut out, doubled or put in. */
export function mutateBytes(bytes: Buffer, random: SeedRandom): Buffer {
  const { integer } = random;
  let changed = Buffer.from(bytes);
  for (let times = integer(1, 3); times > 0; times--) {
    const at = integer(0, changed.length);
    const to = Math.min(changed.length, at + integer(1, 8));
    switch (integer(0, 4)) {
      case 0:
        if (at < changed.length) changed[at] = changed[at]! ^ (1 << integer(0, 7));
        break;
      case 1:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(to)]);
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, to), changed.subarray(at)]);
        break;
      case 3:
        changed = changed.subarray(0, at);
        break;
      default: {
        const more = Buffer.from(Array.from({ length: integer(1, 8) }, () => integer(0, 255)));
        changed = Buffer.concat([changed.subarray(0, at), more, changed.subarray(at)]);
      }
    }
  }
  return changed;
}

const MARKS = [
  '"',
  "'",
  '(',
  ')',
  '*',
  '\\',
  '=',
  ' AND ',
  ' OR ',
  'NOT ',
  '%00',
  '%',
  '%ff',
  ':',
  ';',
  ',',
  '\u00e9',
  '-',
  '.',
];

/** The same for text, with characters that mean something in queries, filters, tokens and paths. */
export function mutateText(text: string, random: SeedRandom): string {
  const { integer } = random;
  const at = integer(0, text.length);
  switch (integer(0, 3)) {
    case 0:
      return text.slice(0, at) + random.pick(MARKS) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + integer(1, 4));
    case 2:
      return text.slice(0, at) + text.slice(Math.max(0, at - 6));
    default:
      return text.slice(0, at) + String.fromCharCode(integer(32, 126)) + text.slice(at + 1);
  }
}
