/** What the network and TLS say by a code, in words for the operator. */
const CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; start it, or set REDIS_ADDR',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  ENOTFOUND: 'its host is not known; set REDIS_ADDR',
  EAI_AGAIN: 'its host cannot be looked up now',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ETIMEDOUT: 'it does not answer',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

/** What Redis and its driver say in words. */
const SAYINGS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/^WRONGPASS|invalid password/, 'it refuses the password; set REDIS_PASSWORD, or REDIS_PASSWORD_FILE'],
  [/^NOAUTH/, 'it asks for a password; set REDIS_PASSWORD, or REDIS_PASSWORD_FILE'],
  [/without any password configured/, 'it has no password, and one was sent; unset REDIS_PASSWORD'],
  [/DB index/, 'it has no database of that number; set REDIS_DB'],
  [/^NOPERM/, 'the user may not do that'],
  [/^LOADING/, 'it is starting'],
  [/max number of clients/, 'it has no connection to spare'],
  [/timeout/i, 'it does not answer'],
  [/self.signed|unable to (get|verify)/i, 'its certificate is not of a known authority; set NODE_EXTRA_CA_CERTS'],
  [/wrong version number|packet length too long/, 'it does not speak TLS; set REDIS_ADDR without rediss://'],
  [/closed|disconnect/i, 'it closed the connection'],
];

/** What is wrong, for the log. Never what the driver wrote itself, which may hold anything. */
export function faultOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return faultOf(error.errors[0]);
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const known = CODES[String(code)];
  if (known) return known;
  return SAYINGS.find(([pattern]) => pattern.test(String(message)))?.[1] ?? 'the connection failed';
}
