import { monitorEventLoopDelay } from 'node:perf_hooks';
import { httpRoutes } from '../../core/contracts/http.ts';
import { definePlugin } from '../../core/kernel/index.ts';

/** A page that says for how many milliseconds at most the server's event loop stood still since it was last asked. */
export default definePlugin({
  name: 'loop-delay',
  kernel: '^1.0.0',
  contributes: { httpRoutes },
  setup({ contribute, defer }) {
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    defer('the histogram', () => void delays.disable());
    contribute.httpRoutes({
      method: 'GET',
      path: '/loop-delay',
      async handle() {
        const body = String(delays.max / 1e6);
        delays.reset();
        return { status: 200, contentType: 'text/plain', body };
      },
    });
    return {};
  },
});
