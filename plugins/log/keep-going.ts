import type { Store } from '../../core/contracts/store.ts';
import type { Transport } from '../../core/contracts/transport.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { Hints } from './hints.ts';
import { Orderer } from './orderer.ts';
import { Retention } from './retention.ts';
import type { Tailer } from './tailer.ts';

interface Parts {
  readonly store: Store;
  readonly transport?: Transport;
  readonly tailer: Tailer;
  /** Ends all of it. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly pollMs: number;
  readonly maxAgeMs: number;
  readonly maxEvents: number;
  readonly trimMs: number;
}

/** Sees to it, of a store that is ready, that the tailer wakes, that the order is made, and that old events go. */
export function keepGoing(parts: Parts): void {
  const { store, tailer, signal, log, trimMs } = parts;
  const retention = new Retention(store, parts);
  every(trimMs, signal, () => {
    retention.trim(signal).catch((err) => {
      if (!signal.aborted) log.warn({ err }, 'old events of the change log could not be deleted');
    });
  });
  if (store.shared) keepOrder(parts);
  // Where nobody else writes, this instance's own commits are all there is to follow.
  else
    until(
      signal,
      store.onCommit(() => tailer.wake()),
    );
  // What was committed between the tailer's beginning and now.
  tailer.wake();
}

function keepOrder({ store, transport, tailer, signal, log, pollMs }: Parts): void {
  const hints = transport && new Hints(transport, store.id, log);
  const orderer = new Orderer(
    store,
    () => {
      tailer.wake();
      hints?.send('grown');
    },
    log,
  );
  until(
    signal,
    store.onCommit(() => {
      if (!orderer.wake()) hints?.send('pending');
    }),
  );
  every(pollMs, signal, () => {
    orderer.wake();
    tailer.wake();
  });
  void hints?.hear((hint) => (hint === 'pending' ? orderer.wake() : tailer.wake()), signal);
  void orderer.run(signal);
}

function every(ms: number, signal: AbortSignal, work: () => void): void {
  const timer = setInterval(work, ms).unref();
  until(signal, () => clearInterval(timer));
}

function until(signal: AbortSignal, end: () => void): void {
  signal.addEventListener('abort', end, { once: true });
}
