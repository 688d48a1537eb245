import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * kafkajs 2.2.4 sets a timer of a negative time when no request waits: Node warns of it, and it comes again each millisecond
 * from then on, though there is nothing to look at. Where requests wait, the time is right.
 */
export function refuseNegativeTimeouts(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as {
    readonly prototype: RequestQueue;
  };
  if (Object.hasOwn(prototype, patched)) return;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
  Object.defineProperty(prototype, patched, { value: true });
}

const patched = Symbol.for('issue-tracker.kafkajs');
