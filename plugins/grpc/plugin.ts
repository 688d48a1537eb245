import { z } from 'zod';
import { api } from '../../core/contracts/api.ts';
import { health } from '../../core/contracts/health.ts';
import { seeded } from '../../core/contracts/seed.ts';
import { grpcServer } from '../../core/contracts/servers.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { GrpcServer } from './server.ts';

const milliseconds = z.number().int().min(1).max(86_400_000);

export default definePlugin({
  name: 'grpc',
  kernel: '^1.0.0',
  requires: { api },
  // After the seeding, where there is one, so that the first client finds the data.
  optional: { health, seeded },
  provides: { grpcServer },
  config: z.strictObject({
    host: z.string().min(1).default('::'),
    port: z.number().int().min(0).max(65_535).default(50_052),
    maxMessageBytes: z
      .number()
      .int()
      .min(1024)
      .default(4 * 1024 * 1024),
    maxMetadataBytes: z.number().int().min(1024).max(65_535).default(8192),
    maxStreamsPerConnection: z.number().int().min(1).default(1000),
    maxConnectionMemoryMiB: z.number().int().min(1).max(65_536).default(64),
    keepaliveMs: milliseconds.default(60_000),
    keepaliveTimeoutMs: milliseconds.default(20_000),
    maxConnectionAgeMs: milliseconds.default(3_600_000),
    maxConnectionAgeGraceMs: milliseconds.default(600_000),
    drainGraceMs: milliseconds.default(5_000),
  }),
  setup({ config, deps, log, defer }) {
    const server = new GrpcServer(config, deps.api, deps.health, log);
    defer('the gRPC server', () => server.close());
    return {
      provides: { grpcServer: server },
      start: () => server.start(),
      drain: (signal) => server.drain(signal),
    };
  },
});
