import assert from 'node:assert/strict';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import type { Transport, TransportMessage } from '../../../core/contracts/transport.ts';
import { transportConformance } from '../../../core/testing/transport-conformance.ts';
import plugin from '../../../plugins/transport-redis/plugin.ts';
import { startRedisPlugin, whenConnected } from '../../support/redis-plugins.ts';
import { type OwnRedis, ownRedis } from '../../support/services/redis.ts';
import { setUp } from '../plugin-context.ts';

describe('the transport over Redis', () => {
  let server: OwnRedis;
  before(async function () {
    server = await ownRedis(this);
  });
  after(() => server?.close());

  async function open() {
    const { redis, release } = await startRedisPlugin({ address: server.address });
    const { instance, contributed, log, release: end } = await setUp(plugin, { deps: { redis }, config: undefined });
    const transport = instance.provides.transport as Transport;
    const [check] = contributed.get('healthChecks') as [HealthCheck];
    const health = async () => (await check.check(new AbortController().signal)).status;
    return {
      transport,
      redis,
      health,
      log,
      async close() {
        await end();
        await release();
      },
    };
  }

  transportConformance({ describe, it }, { name: 'redis', open });

  it('brings messages from one instance to another', async () => {
    const [one, other] = [await open(), await open()];
    const heard = Promise.withResolvers<TransportMessage>();
    await other.transport.subscribe('between', heard.resolve);
    await one.transport.publish('between', { key: 'k', value: 'hello' });
    assert.deepEqual(await heard.promise, { key: 'k', value: 'hello' });
    await one.close();
    await other.close();
  });

  it('leaves out what no tracker sent, and what a listener throws goes into the log', async () => {
    const { transport, redis, log, close } = await open();
    const heard: TransportMessage[] = [];
    const last = Promise.withResolvers<void>();
    await transport.subscribe('mixed', (message) => {
      heard.push(message);
      if (message.value === 'last') last.resolve();
      throw new Error('careless');
    });
    for (const text of ['', '{', '{}', '["k"]', '["k",1]', '["k","v","w"]', 'null'])
      await redis.publish('tracker:mixed', text);
    await transport.publish('mixed', { key: 'k', value: 'last' });
    await last.promise;
    assert.deepEqual(heard, [{ key: 'k', value: 'last' }]);
    assert.equal(log.lines.filter(({ level }) => level === 'warn').length, 7);
    assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
    await close();
  });

  it('brings nothing to whom it has told that the subscription failed, though Redis took it later', async () => {
    const { redis, release } = await startRedisPlugin({ address: server.address, timeoutMs: 50 });
    server.freeze();
    try {
      await assert.rejects(
        redis.subscribe('late', () => assert.fail('the subscription failed')),
        { code: 'UNAVAILABLE' },
      );
    } finally {
      server.thaw();
    }
    await whenConnected(redis, true);
    const heard = Promise.withResolvers<string>();
    for (let subscribed = false; !subscribed; )
      subscribed = await redis.subscribe('late', heard.resolve).then(
        () => true,
        () => false,
      );
    const other = await startRedisPlugin({ address: server.address });
    await other.redis.publish('late', 'hello');
    assert.equal(await heard.promise, 'hello');
    await other.release();
    await release();
  });

  it('is unavailable and degraded without Redis, and its subscriptions go on when it is back', async () => {
    const { transport, redis, health, close } = await open();
    const heard = Promise.withResolvers<TransportMessage>();
    await transport.subscribe('again', heard.resolve);
    assert.equal(await health(), 'up');
    await server.kill();
    await whenConnected(redis, false);
    while (redis.hearing) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await health(), 'degraded');
    await assert.rejects(transport.publish('again', { key: 'k', value: 'v' }), { code: 'UNAVAILABLE' });
    await assert.rejects(
      transport.subscribe('again', () => {}),
      { code: 'UNAVAILABLE' },
    );
    await server.start();
    const sending = setInterval(() => transport.publish('again', { key: 'k', value: 'back' }).catch(() => {}), 20);
    assert.equal((await heard.promise).value, 'back');
    clearInterval(sending);
    await close();
  });
});
