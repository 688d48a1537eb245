import { z } from 'zod';
import { changeLog, changesTable, historyTable } from '../../core/contracts/log.ts';
import { store } from '../../core/contracts/store.ts';
import { tables } from '../../core/contracts/tables.ts';
import { transport } from '../../core/contracts/transport.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { StoreChangeLog } from './change-log.ts';
import { Hints } from './hints.ts';
import { Tailer } from './tailer.ts';

/** The change log over the store's tables: reading, following, and the permanent history. */
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
  }),
  setup({ config, deps, contribute, defer, log }) {
    contribute.tables(changesTable, historyTable);
    const reader = new StoreChangeLog(deps.store);
    const tailer = new Tailer(reader, log);
    defer('tailer', () => tailer.close());
    return {
      provides: { changeLog: Object.assign(reader, { follow: tailer.follow.bind(tailer) }) },
      async start() {
        await tailer.open();
        const { store, transport } = deps;
        const hints = transport && new Hints(transport, store.id, log);
        const unwatch = store.onCommit(() => {
          tailer.wake();
          if (store.shared) hints?.send();
        });
        defer('commit watch', unwatch);
        // What was committed between the head and the watch.
        tailer.wake();
        // Where nobody else writes, this instance's own commits are all there is to follow.
        if (!store.shared) return;
        const timer = setInterval(() => tailer.wake(), config.pollMs);
        defer('poll timer', () => clearInterval(timer));
        if (hints) defer('hints', await hints.subscribe(() => tailer.wake()));
      },
    };
  },
});
