/**
 * The one tokenizer: what a text can be found by. Every backend indexes exactly these tokens.
 *
 * A token is a run of letters and digits. Case and compatibility forms are folded (NFKC), and the diacritics of
 * Latin, Greek and Cyrillic are dropped, so that 'jose' finds 'José' and 'strasse' finds 'Straße'; the marks of other
 * scripts are part of their words and stay. Chinese and Japanese are written without spaces, so each Han, Hiragana
 * or Katakana character is a token. Thai and its neighbours are found by the beginning of a run only.
 */

/** Characters of a token that count; what follows them is cut, in texts and in queries alike. */
export const MAX_TOKEN_LENGTH = 40;

const NOT_ASCII = /[^\0-\x7f]/;
const DIACRITICS = /[\u0300-\u036f]+/g;
const ASCII_TOKENS = /[a-z0-9]+/g;
const TOKENS =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]\p{M}*|[[\p{L}\p{N}]--[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]][[\p{L}\p{N}\p{M}]--[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]]*/gv;

/** Lower, upper and lower case again is what Unicode's case folding comes to: it makes ss of ß and of ẞ. */
const fold = (text: string): string =>
  text
    .normalize('NFKD')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(DIACRITICS, '')
    .normalize('NFKC')
    .replaceAll('ς', 'σ');

const cut = (token: string): string =>
  token.length <= MAX_TOKEN_LENGTH ? token : Array.from(token).slice(0, MAX_TOKEN_LENGTH).join('');

/** The tokens of a text, as often and in the order as they appear. */
export function everyToken(text: string): string[] {
  const found = NOT_ASCII.test(text) ? fold(text).match(TOKENS) : text.toLowerCase().match(ASCII_TOKENS);
  return found ? found.map(cut) : [];
}

/** The distinct tokens of a text, in the order in which they first appear. */
export function tokens(text: string): string[] {
  return [...new Set(everyToken(text))];
}

/** Whether each token of the query begins a token of one of the texts; false for a query without tokens. */
export function matchesTokens(query: readonly string[], texts: readonly (string | null)[]): boolean {
  if (query.length === 0) return false;
  const there = texts.flatMap((text) => (text === null ? [] : tokens(text)));
  return query.every((wanted) => there.some((token) => token.startsWith(wanted)));
}
