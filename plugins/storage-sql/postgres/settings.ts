import { z } from 'zod';
import { schemaSettings } from '../schema/at-start.ts';

const milliseconds = z.number().int().min(100).max(3_600_000);

/** docs/guides/databases.md says what to size and how. */
const connectionSettings = z.strictObject({
  /** A name, an address, or the folder of a socket. */
  host: z.string().min(1).default('localhost'),
  port: z.number().int().min(1).max(65_535).default(5432),
  user: z.string().min(1).default('postgres'),
  password: z.string().default(''),
  database: z.string().min(1).default('postgres'),
  ssl: z
    .strictObject({
      /** require: encrypted, whoever answers. verify-full: by a certificate for `host`, of a known authority. */
      mode: z.enum(['off', 'require', 'verify-full']).default('off'),
      /** The file of the authority's certificate (PEM), where the system does not know it. */
      caFile: z.string().min(1).optional(),
    })
    .prefault({})
    .superRefine(({ mode, caFile }, context) => {
      // Whoever gives it believes that certificates are looked at.
      if (caFile === undefined || mode === 'verify-full') return;
      const message = 'is looked at by verify-full alone: set POSTGRES_SSL to that, or unset POSTGRES_SSL_CA';
      context.addIssue({ code: 'custom', path: ['caFile'], message });
    }),
  /** Connections at most; one more is for leases. */
  poolSize: z.number().int().min(2).max(1_000).default(16),
  timeoutsMs: z
    .strictObject({
      /** To make a connection. */
      connect: milliseconds.default(5_000),
      /** To get one of the pool, waiting for others included. */
      acquire: milliseconds.default(10_000),
      /** One statement on the server. */
      statement: milliseconds.default(30_000),
      /** The wait for one lock on the server. */
      lock: milliseconds.default(10_000),
      /** A transaction on the server that does nothing. */
      idleInTransaction: milliseconds.default(30_000),
    })
    .prefault({}),
});

export const postgresSettings = connectionSettings.extend(schemaSettings);

export type PostgresSettings = z.infer<typeof connectionSettings>;
