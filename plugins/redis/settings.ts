import { z } from 'zod';

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

const EXPECTED = 'must be host:port, redis://host:port, or rediss://host:port for TLS';

const settings = z.strictObject({
  /** `host:port`; rediss://host:port for TLS. */
  address: z
    .string()
    .default('localhost:6379')
    .superRefine((text, context) => {
      const found = parseAddress(text);
      if (typeof found === 'string') context.addIssue({ code: 'custom', message: found });
    }),
  /** Where Redis knows several (ACL). */
  username: z.string().min(1).optional(),
  password: z.string().default(''),
  /** The file of the certificate (PEM) of the authority that signed Redis's, where the system does not know it. */
  caFile: z.string().min(1).optional(),
  /** The number of the database. */
  database: z.number().int().min(0).max(1_000_000).default(0),
  /** Milliseconds that an operation may take. */
  timeoutMs: z.number().int().min(10).max(60_000).default(1000),
});

export const redisSettings = settings.superRefine(({ address, caFile }, context) => {
  const found = parseAddress(address);
  // Whoever gives it believes that there is TLS.
  if (caFile === undefined || typeof found === 'string' || found.tls) return;
  const message = 'is looked at with TLS alone: set REDIS_ADDR to rediss://host:port, or unset REDIS_SSL_CA';
  context.addIssue({ code: 'custom', path: ['caFile'], message });
});

export type RedisSettings = z.infer<typeof redisSettings>;

/** The parts of an address, or what is wrong with it; never with the text, which may hold a password. */
export function parseAddress(text: string): Address | string {
  const whole = /^[a-z]+:\/\//i.test(text) ? text : `redis://${text}`;
  if (!URL.canParse(whole)) return EXPECTED;
  const url = new URL(whole);
  if (!['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') return EXPECTED;
  if (url.username || url.password) return `${EXPECTED}; the password has a setting of its own`;
  if (!['', '/'].includes(url.pathname) || url.search || url.hash)
    return `${EXPECTED}; the database has a setting of its own`;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    tls: url.protocol === 'rediss:',
  };
}
