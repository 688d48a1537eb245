import { z } from 'zod';

/** Topic names of Kafka take these characters, and no others. */
const prefix = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9._-]+$/, 'must be 1 to 200 letters, digits, dots, dashes and underscores');

const MOST_PORT = 65_535;
/** kafkajs cuts the text at its first colon: an address of IPv6 never works, a name of one does. */
const broker = z.string().refine((text) => {
  const port = Number(/^[^\s:[\]]+:(\d{1,5})$/.exec(text)?.[1]);
  return port >= 1 && port <= MOST_PORT;
}, `must be host:port, as in 'localhost:9092', with a port from 1 to ${MOST_PORT}`);

export const kafkaSettings = z.strictObject({
  /** The brokers that are asked first for the others. */
  brokers: z.array(broker).min(1).default(['localhost:9092']),
  /** The topics are called `<prefix>.issues` and so on. */
  topicPrefix: prefix.default('issue-tracker'),
  /** Of the topics of events that are made. What exists is taken as it is. */
  partitions: z.number().int().min(1).max(10_000).default(6),
  /** Of all topics that are made. Absent: as the brokers have it. */
  replicationFactor: z.number().int().min(1).max(100).optional(),
  ssl: z
    .strictObject({
      /** require: encrypted, whoever answers. verify-full: by a certificate for the broker's host, of a known authority. */
      mode: z.enum(['off', 'require', 'verify-full']).default('off'),
      /** The file of the authority's certificate (PEM), where the system does not know it. */
      caFile: z.string().min(1).optional(),
    })
    .prefault({})
    .superRefine(({ mode, caFile }, context) => {
      // Whoever gives it believes that certificates are looked at.
      if (caFile === undefined || mode === 'verify-full') return;
      const message = 'is looked at by verify-full alone: set KAFKA_SSL to that, or unset KAFKA_SSL_CA';
      context.addIssue({ code: 'custom', path: ['caFile'], message });
    }),
  sasl: z
    .strictObject({
      mechanism: z.enum(['none', 'plain', 'scram-sha-256', 'scram-sha-512']).default('none'),
      username: z.string().default(''),
      password: z.string().default(''),
    })
    .prefault({})
    .superRefine(({ mechanism, username, password }, context) => {
      if (mechanism === 'none') return;
      for (const [name, value] of Object.entries({ username, password }))
        if (value === '')
          context.addIssue({
            code: 'custom',
            path: [name],
            message: `must be set for ${mechanism}: KAFKA_SASL_${name.toUpperCase()}`,
          });
    }),
});

export type KafkaSettings = z.infer<typeof kafkaSettings>;
