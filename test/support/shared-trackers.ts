import { transport } from '../../core/contracts/transport.ts';
import { definePlugin, type Plugin } from '../../core/kernel/index.ts';
import memdb from '../../plugins/storage-memdb/plugin.ts';
import { StreamTransport } from '../../plugins/transport-stream/stream-transport.ts';
import { SharedStore } from './shared-store.ts';
import { startTracker, type Tracker } from './tracker.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** Some trackers in this process on one store, each with a clock of its own, and a transport between them. */
export async function startTrackers(count: number): Promise<{ trackers: Tracker[]; shared: SharedStore }> {
  const all: { shared?: SharedStore } = {};
  const stream = new StreamTransport(silent);
  const storage = (instance: number): Plugin =>
    Object.freeze({
      ...memdb,
      setup(context: unknown) {
        const made = memdb.setup(context);
        all.shared ??= new SharedStore(made.provides.store);
        const { shared } = all;
        const clock = () => Math.floor((performance.timeOrigin + performance.now()) * 1000) + instance * 1_500_000;
        return { provides: { store: shared.instance(clock) }, start: instance === 0 ? made.start : () => {} };
      },
    });
  const between = definePlugin({
    name: 'transport-stream',
    kernel: '^1.0.0',
    provides: { transport },
    setup: () => ({ provides: { transport: stream } }),
  });
  const trackers: Tracker[] = [];
  for (let i = 0; i < count; i++)
    trackers.push(await startTracker({}, { replace: { 'storage-memdb': storage(i), 'transport-stream': between } }));
  return { trackers, shared: all.shared! };
}
