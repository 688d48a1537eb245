import type { Builtins } from '../core/kernel/index.ts';

/** The plugins of this package by name. Nothing is imported before it is needed. */
export const builtins: Builtins = {
  'storage-memdb': () => import('../plugins/storage-memdb/plugin.ts'),
  'storage-postgres': () => import('../plugins/storage-sql/postgres/plugin.ts'),
  'storage-sqlite': () => import('../plugins/storage-sql/sqlite/plugin.ts'),
  'cache-memory': () => import('../plugins/cache-memory/plugin.ts'),
  'cache-redis': () => import('../plugins/cache-redis/plugin.ts'),
  'transport-stream': () => import('../plugins/transport-stream/plugin.ts'),
  'transport-redis': () => import('../plugins/transport-redis/plugin.ts'),
  redis: () => import('../plugins/redis/plugin.ts'),
  'transport-kafka': () => import('../plugins/transport-kafka/plugin.ts'),
  'kafka-relay': () => import('../plugins/transport-kafka/relay/plugin.ts'),
  log: () => import('../plugins/log/plugin.ts'),
  user: () => import('../plugins/user/plugin.ts'),
  project: () => import('../plugins/project/plugin.ts'),
  issue: () => import('../plugins/issue/plugin.ts'),
  api: () => import('../plugins/api/plugin.ts'),
  grpc: () => import('../plugins/grpc/plugin.ts'),
  rest: () => import('../plugins/rest/plugin.ts'),
  health: () => import('../plugins/health/plugin.ts'),
  admin: () => import('../plugins/admin/plugin.ts'),
  seed: () => import('../plugins/seed/plugin.ts'),
};
