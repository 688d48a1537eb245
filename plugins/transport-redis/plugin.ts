import { healthChecks } from '../../core/contracts/health.ts';
import { redis } from '../../core/contracts/redis.ts';
import { transport } from '../../core/contracts/transport.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { RedisTransport } from './redis-transport.ts';

/** Carries messages between instances over Redis Pub/Sub. */
export default definePlugin({
  name: 'transport-redis',
  kernel: '^1.0.0',
  requires: { redis },
  provides: { transport },
  contributes: { healthChecks },
  setup({ deps, contribute, defer, log }) {
    const pubSub = new RedisTransport(deps.redis, log);
    defer('subscriptions', () => pubSub.close());
    contribute.healthChecks({
      component: 'communication',
      type: 'redis',
      required: false,
      async check() {
        const up = deps.redis.connected && deps.redis.hearing;
        return up ? { status: 'up' } : { status: 'degraded', detail: 'Redis cannot be reached' };
      },
    });
    return { provides: { transport: pubSub } };
  },
});
