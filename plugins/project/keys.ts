const LONGEST = 10;

/** The key that a name suggests: the initials of several words, or the beginning of one. */
export function baseKey(name: string): string {
  const words = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== '');
  const initials = words.map((word) => word[0]).join('');
  const stem = (initials.length >= 2 ? initials : (words[0] ?? '').slice(0, 4)).slice(0, LONGEST);
  return stem.length >= 2 ? stem : `${stem}PROJECT`.slice(0, 4);
}

/** The key with a number, for where it is taken; no longer than a key may be. */
export function numberedKey(base: string, n: number): string {
  return base.slice(0, LONGEST - String(n).length) + n;
}
