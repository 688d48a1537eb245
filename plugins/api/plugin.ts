import { z } from 'zod';
import { api, apiServices } from '../../core/contracts/api.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { AccessLog } from './access-log.ts';
import { Answers, answersTable } from './answers.ts';
import { Idempotency } from './idempotency.ts';
import { Pipeline } from './pipeline.ts';
import { assemble } from './services.ts';

const count = z.number().int().min(1);
const milliseconds = z.number().int().min(1).max(3_600_000);

export default definePlugin({
  name: 'api',
  kernel: '^1.0.0',
  // Without a store no answer can be kept, and calls with an idempotency key are refused.
  optional: { store },
  provides: { api },
  contributes: { tables },
  collects: { apiServices },
  config: z.strictObject({
    logCalls: z.enum(['slow', 'all', 'none']).default('slow'),
    slowCallMs: milliseconds.default(100),
    defaultDeadlineMs: milliseconds.default(30_000),
    maxDeadlineMs: milliseconds.default(300_000),
    maxCalls: count.default(1000),
    maxStreams: count.default(10_000),
    /** How long the answers of calls with an idempotency key are kept for repeats. */
    answersKeptMs: z.number().int().min(1000).max(2_592_000_000).default(86_400_000),
    /** How often those that are over are deleted. */
    answersPurgeMs: z.number().int().min(10).max(86_400_000).default(600_000),
  }),
  setup({ config, deps, contribute, log, defer }) {
    const answers = deps.store && new Answers(deps.store, config.answersKeptMs);
    if (answers) contribute.tables(answersTable);
    const accessLog = new AccessLog(log, config.logCalls, config.slowCallMs);
    const pipeline = new Pipeline(config, accessLog, log, answers && new Idempotency(answers, log));
    return {
      provides: { api: pipeline },
      start({ apiServices }) {
        pipeline.open(assemble(apiServices));
        if (!answers) return;
        const ended = new AbortController();
        const purge = () =>
          answers.purge(ended.signal).catch((err) => log.warn({ err }, 'old idempotent answers could not be deleted'));
        const timer = setInterval(purge, config.answersPurgeMs).unref();
        defer('the purge of old answers', () => {
          clearInterval(timer);
          ended.abort();
        });
      },
    };
  },
});
