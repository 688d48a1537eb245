import { z } from 'zod';
import { changeLog, changesTable, historyTable } from '../../core/contracts/log.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { transport } from '../../core/contracts/transport.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { onceReady } from '../../core/lib/once-ready.ts';
import { StoreChangeLog } from './change-log.ts';
import { keepGoing } from './keep-going.ts';
import { Tailer } from './tailer.ts';

const DAY_MS = 86_400_000;

/** The change log over the store's tables: its order, reading, following, and the permanent history. */
export default definePlugin({
  name: 'log',
  kernel: '^1.0.0',
  requires: { store },
  optional: { transport },
  provides: { changeLog },
  contributes: { tables },
  config: z.strictObject({
    /** Milliseconds between two looks at a store that other instances write to. */
    pollMs: z.number().int().min(10).max(60_000).default(250),
    /** How long an event is kept in the log at least, unless there are too many; history is kept for ever. */
    maxAgeMs: z
      .number()
      .int()
      .min(1000)
      .max(3650 * DAY_MS)
      .default(7 * DAY_MS),
    /** How many of the newest events are kept. */
    maxEvents: z.number().int().min(1).max(1_000_000_000).default(1_000_000),
    /** Milliseconds between two looks at what need not be kept. */
    trimMs: z.number().int().min(10).max(DAY_MS).default(60_000),
  }),
  setup({ config, deps, contribute, defer, log }) {
    contribute.tables(changesTable, historyTable);
    const reader = new StoreChangeLog(deps.store);
    const tailer = new Tailer(reader, log);
    defer('tailer', () => tailer.close());
    const following = { follow: tailer.follow.bind(tailer), followed: tailer.followed.bind(tailer) };
    return {
      provides: { changeLog: Object.assign(reader, following) },
      async start(_collected, start) {
        const ended = new AbortController();
        const { signal } = ended;
        const { done } = await onceReady(
          deps.store,
          async () => {
            await tailer.open();
            // It may have been stopped meanwhile, and then nothing would end what begins now.
            if (!signal.aborted) keepGoing({ ...config, ...deps, tailer, signal, log });
          },
          { what: 'the change log', signal, start, log },
        );
        defer('the change log', async () => {
          ended.abort();
          await done;
        });
      },
    };
  },
});
