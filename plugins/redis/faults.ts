const SILENCE = 'it does not answer';

/** What the network and TLS say by a code, in words for the operator. */
const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start it, or set REDIS_ADDR',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  ENOTFOUND: 'its host is not known; set REDIS_ADDR',
  EAI_AGAIN: 'its host cannot be looked up now',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ETIMEDOUT: SILENCE,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host; set REDIS_ADDR to the name in it',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

/** What Redis and its driver say in words. */
const SAYINGS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [
    /^WRONGPASS|invalid password/,
    'it refuses the user or the password; set REDIS_USERNAME, and REDIS_PASSWORD or REDIS_PASSWORD_FILE',
  ],
  [/^NOAUTH/, 'it asks for a password; set REDIS_PASSWORD, or REDIS_PASSWORD_FILE'],
  [/without any password configured/, 'it has no password, and one was sent; unset REDIS_PASSWORD'],
  [/DB index/, 'it has no database of that number; set REDIS_DB'],
  [/^NOPERM/, 'the user may not do that; grant it what the page of the plugin redis says'],
  [/^LOADING/, 'it is starting'],
  [/max number of clients/, 'it has no connection to spare'],
  [/timeout/i, SILENCE],
  [
    /self.signed|unable to (get|verify)/i,
    "its certificate is not of a known authority; set REDIS_SSL_CA to the authority's certificate",
  ],
  [/wrong version number|packet length too long/, 'it does not speak TLS; set REDIS_ADDR without rediss://'],
  [/closed|disconnect/i, 'it closed the connection'],
];

/** The user may not do what was asked (ACL). */
export const isRefusal = (error: unknown): boolean => /^NOPERM/.test(String((error as Error).message));

/** It may mean anything. */
export const isSilence = (reason: string): boolean => reason.startsWith(SILENCE);

/** What is wrong, for the log. Never what the driver wrote itself, which may hold anything. */
export function faultOf(error: unknown, address: string): string {
  if (error instanceof AggregateError && error.errors.length > 0) return faultOf(error.errors[0], address);
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const known = CODES[String(code)];
  if (known) return known;
  const said = SAYINGS.find(([pattern]) => pattern.test(String(message)))?.[1] ?? 'the connection failed';
  // Redis takes the greeting of TLS for the beginning of a command, and waits for the rest.
  const mayLackTls = said === SILENCE && address.startsWith('rediss:') && /^Connection timeout/.test(String(message));
  return mayLackTls ? `${SILENCE}; where it does not speak TLS, set REDIS_ADDR without rediss://` : said;
}
