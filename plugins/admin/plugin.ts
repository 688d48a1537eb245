import { z } from 'zod';
import { apiServices } from '../../core/contracts/api.ts';
import { cache } from '../../core/contracts/cache.ts';
import { store } from '../../core/contracts/store.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { adminApi } from './api.ts';

/** adminpb.AdminService: what the operator does, from the server's own machine. */
export default definePlugin({
  name: 'admin',
  kernel: '^1.0.0',
  requires: { store },
  optional: { cache },
  contributes: { services: apiServices },
  config: z.strictObject({
    /** Milliseconds that an export or an import may take. */
    timeoutMs: z.number().int().min(1000).max(86_400_000).default(3_600_000),
  }),
  setup({ config, deps, contribute }) {
    contribute.services(adminApi(deps.store, deps.cache, config.timeoutMs));
    return {};
  },
});
