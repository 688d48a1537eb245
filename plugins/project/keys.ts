const LONGEST = 10;

/**
 * Candidates for the key of a project with this name, best first and without end: the initials of several words or
 * the beginning of one, then the same with a number.
 */
export function* keyCandidates(name: string): Generator<string> {
  const words = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toUpperCase()
    .split(/[^A-Z0-9]+/)
    .filter((word) => word !== '');
  const initials = words.map((word) => word[0]).join('');
  const stem = (initials.length >= 2 ? initials : (words[0] ?? '').slice(0, 4)).slice(0, LONGEST);
  const base = stem.length >= 2 ? stem : `${stem}PROJECT`.slice(0, 4);
  yield base;
  for (let n = 2; ; n += 1) yield base.slice(0, LONGEST - String(n).length) + n;
}
