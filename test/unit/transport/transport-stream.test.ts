import assert from 'node:assert/strict';
import type { HealthCheck } from '../../../core/contracts/health.ts';
import { transportConformance } from '../../../core/testing/transport-conformance.ts';
import plugin from '../../../plugins/transport-stream/plugin.ts';
import { setUp } from '../plugin-context.ts';

transportConformance(
  { describe, it },
  {
    name: 'stream',
    async open() {
      const { instance, release } = await setUp(plugin, { config: undefined });
      return { transport: instance.provides.transport, close: release };
    },
  },
);

describe('the transport-stream plugin', () => {
  it('logs a listener that throws', async () => {
    const { instance, log } = await setUp(plugin, { config: undefined });
    const after = Promise.withResolvers<unknown>();
    await instance.provides.transport.subscribe('t', () => {
      throw new Error('careless');
    });
    await instance.provides.transport.subscribe('t', after.resolve);
    await instance.provides.transport.publish('t', { key: 'k', value: 'v' });
    await after.promise;
    assert.deepEqual(
      log.lines.map(({ level }) => level),
      ['error'],
    );
  });

  it('brings nothing once the end of the subscription was called, not even what was published just before', async () => {
    const { instance } = await setUp(plugin, { config: undefined });
    const got: string[] = [];
    const after = Promise.withResolvers<unknown>();
    const end = await instance.provides.transport.subscribe('t', ({ value }: { value: string }) => got.push(value));
    await instance.provides.transport.subscribe('t', after.resolve);
    const sent = instance.provides.transport.publish('t', { key: 'k', value: 'v' });
    await Promise.all([end(), sent, after.promise]);
    assert.deepEqual(got, []);
  });

  it('is up until it is released, then down', async () => {
    const { contributed, release } = await setUp(plugin, { config: undefined });
    const [check] = contributed.get('healthChecks') as [HealthCheck];
    const { signal } = new AbortController();
    assert.deepEqual(
      [check.component, check.type, await check.check(signal)],
      ['communication', 'stream', { status: 'up' }],
    );
    await release();
    assert.deepEqual(await check.check(signal), { status: 'down' });
  });
});
