import { redis } from '../../core/contracts/redis.ts';
import { definePlugin } from '../../core/kernel/index.ts';
import { RedisConnections } from './redis.ts';
import { redisSettings } from './settings.ts';

/** The connections to Redis that other plugins share. The server starts without it, and finds it when it comes. */
export default definePlugin({
  name: 'redis',
  kernel: '^1.0.0',
  provides: { redis },
  config: redisSettings,
  secrets: ['password'],
  setup({ config, defer, log }) {
    const connections = new RedisConnections(config, log);
    return {
      provides: { redis: connections },
      async start() {
        defer('connections', () => connections.close());
        await connections.open();
      },
    };
  },
});
