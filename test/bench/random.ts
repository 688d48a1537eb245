/** The same numbers in every run: 0 <= x < 1. */
export function randoms(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Texts are made of so many words. */
export const WORDS = 20_000;
const syllables = ['ba', 'ke', 'li', 'mo', 'nu', 'ra', 'se', 'ti', 'vo', 'zu', 'da', 'fe', 'gi', 'ho', 'ju', 'pa'];

/** The n-th word of a made-up language, longer as it gets rarer. */
export function word(n: number): string {
  let text = '';
  for (let rest = n + 16; rest > 0; rest = Math.floor(rest / 16)) text += syllables[rest % 16];
  return text;
}

/** A text of exactly so many characters; how often its words occur follows Zipf's law, as in real texts. */
export function textOf(seed: number, length: number): string {
  const random = randoms(seed);
  let text = '';
  while (text.length < length) text += `${word(Math.floor(WORDS ** random()))} `;
  return Buffer.from(text.slice(0, length)).toString();
}
