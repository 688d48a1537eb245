import { healthChecks } from '../../core/contracts/health.ts';
import { transport } from '../../core/contracts/transport.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { StreamTransport } from './stream-transport.ts';

/** Carries messages inside one process. */
export default definePlugin({
  name: 'transport-stream',
  kernel: '^1.0.0',
  provides: { transport },
  contributes: { healthChecks },
  setup({ contribute, defer, log }) {
    const stream = new StreamTransport(log);
    defer('stream', () => stream.close());
    contribute.healthChecks({
      component: 'communication',
      type: 'stream',
      required: false,
      check: async () => ({ status: stream.closed ? 'down' : 'up' }),
    });
    return { provides: { transport: stream } };
  },
});
