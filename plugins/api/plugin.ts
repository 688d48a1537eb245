import { z } from 'zod';
import { api, apiServices } from '../../core/contracts/api.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { AccessLog } from './access-log.ts';
import { Pipeline } from './pipeline.ts';
import { assemble } from './services.ts';

const count = z.number().int().min(1);
const milliseconds = z.number().int().min(1).max(3_600_000);

export default definePlugin({
  name: 'api',
  kernel: '^1.0.0',
  provides: { api },
  collects: { apiServices },
  config: z.strictObject({
    logCalls: z.enum(['slow', 'all', 'none']).default('slow'),
    slowCallMs: milliseconds.default(100),
    defaultDeadlineMs: milliseconds.default(30_000),
    maxDeadlineMs: milliseconds.default(300_000),
    maxCalls: count.default(1000),
    maxStreams: count.default(1000),
  }),
  setup({ config, log }) {
    const pipeline = new Pipeline(config, new AccessLog(log, config.logCalls, config.slowCallMs), log);
    return {
      provides: { api: pipeline },
      start({ apiServices }) {
        pipeline.open(assemble(apiServices));
      },
    };
  },
});
