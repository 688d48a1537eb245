const SILENCE = 'it does not answer';
const CLOSED = 'it closed the connection';

/** What the network and TLS say by a code, in words for the operator. */
const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start it, or set REDIS_ADDR',
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
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
  [/closed|disconnect/i, CLOSED],
];

/** The user may not do what was asked (ACL). */
export const isRefusal = (error: unknown): boolean => /^NOPERM/.test(String((error as Error).message));

/** It may mean anything. */
export const isSilence = (reason: string): boolean => reason.startsWith(SILENCE);

/**
 * What is wrong, for the log. Never what the driver wrote itself, which may hold anything. `wasConnected`: it has been there
 * before, by these settings.
 */
export function faultOf(error: unknown, address: string, wasConnected: boolean): string {
  if (error instanceof AggregateError && error.errors.length > 0)
    return faultOf(error.errors[0], address, wasConnected);
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const text = String(message);
  const said = CODES[String(code)] ?? SAYINGS.find(([pattern]) => pattern.test(text))?.[1] ?? 'the connection failed';
  if (wasConnected) return said;
  const isByTls = address.startsWith('rediss:');
  if (said === CLOSED && !isByTls) return `${CLOSED}; where it speaks TLS alone, set REDIS_ADDR to rediss://host:port`;
  // Redis takes the greeting of TLS for the beginning of a command, and waits for the rest.
  if (said === SILENCE && isByTls) return `${SILENCE}; where it does not speak TLS, set REDIS_ADDR without rediss://`;
  return said;
}
