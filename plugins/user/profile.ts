import { invalidField } from '../../core/contracts/errors.ts';
import type { Profile, ProfileField } from './table.ts';

const label = '[\\p{L}\\p{N}](?:[\\p{L}\\p{N}-]{0,61}[\\p{L}\\p{N}])?';
// The address as HTML forms check it, with letters of every script and a domain of at least two labels.
const EMAIL = new RegExp(`^[\\p{L}\\p{M}\\p{N}.!#$%&'*+/=?^_\`{|}~-]{1,64}@(?:${label}\\.)+${label}$`, 'u');

/** Addresses that differ only in letter case, or in how an accent is encoded, have one key. */
export function emailKey(email: string): string {
  return email.trim().normalize('NFC').toLowerCase();
}

/** A profile as it is stored, with what makes its address unique. */
export type NewUser = Profile & { readonly email_key: string };

/** INVALID_ARGUMENT that names the field for a value that is not allowed. */
export function newUser(profile: Profile): NewUser {
  const checked = checkedProfile(profile);
  return { ...checked, email_key: emailKey(checked.email) };
}

const rules: { readonly [F in ProfileField]?: (value: string) => string } = {
  name(value) {
    // Reached by a mask that names the field while the request leaves it out; a name that is sent was validated.
    if (value.trim() === '') throw invalidField('name', 'must be 1 to 100 characters, not only white space');
    return value;
  },
  email(value) {
    const email = value.trim();
    if (email.length > 254 || emailKey(email).length > 254 || !EMAIL.test(email))
      throw invalidField('email', 'must be an e-mail address of at most 254 characters, like ada@example.com');
    return email;
  },
  avatar_url(value) {
    if (value !== '' && !(/^https?:\/\/[^\s\p{C}]+$/iu.test(value) && URL.canParse(value)))
      throw invalidField('avatar_url', 'must be an http or https address, or empty');
    return value;
  },
  time_zone(value) {
    if (value !== '' && !isZone(value))
      throw invalidField('time_zone', 'must be an IANA time zone, like Europe/Berlin, or empty');
    return value;
  },
  locale(value) {
    if (value !== '' && !known(() => Intl.getCanonicalLocales(value)))
      throw invalidField('locale', 'must be a BCP 47 language tag, like de-AT, or empty');
    return value;
  },
};

/** Zones that were found to exist, as they were written: to ask Intl takes 40 us, and a thousand users come at once. */
const zones = new Set<string>();
const MOST_ZONES = 1000;

function isZone(name: string): boolean {
  if (zones.has(name)) return true;
  // Intl takes offsets like +02:00 too, and they are no zones.
  if (!/^[A-Za-z]/.test(name) || !known(() => new Intl.DateTimeFormat('en', { timeZone: name }))) return false;
  if (zones.size < MOST_ZONES) zones.add(name);
  return true;
}

function known(probe: () => unknown): boolean {
  try {
    probe();
    return true;
  } catch {
    return false;
  }
}

/** The given fields as they are stored. INVALID_ARGUMENT that names the field for a value that is not allowed. */
export function checkedProfile<F extends ProfileField>(values: Pick<Profile, F>): Pick<Profile, F> {
  const checked = { ...values };
  for (const field of Object.keys(values) as F[]) checked[field] = rules[field]?.(values[field]) ?? values[field];
  return checked;
}
