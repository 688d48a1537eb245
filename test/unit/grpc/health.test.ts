import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Client, type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js';
import { service as definition } from 'grpc-health-check';
import { clock } from '../../../core/contracts/clock.ts';
import { type HealthStatus, health, healthChecks } from '../../../core/contracts/health.ts';
import { definePlugin, type Plugin } from '../../../core/kernel/index.ts';
import { closeAll, failed, startEcho } from './support.ts';

interface Checked {
  readonly status: string;
}

function check(client: Client, service: string): Promise<Checked> {
  const { path, requestSerialize, responseDeserialize } = definition['Check']!;
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, response) =>
      error ? reject(error) : resolve(response as Checked),
    ),
  );
}

function watch(client: Client, service: string): ClientReadableStream<Checked> {
  const { path, requestSerialize, responseDeserialize } = definition['Watch']!;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service });
  return stream as ClientReadableStream<Checked>;
}

async function next(stream: ClientReadableStream<Checked>): Promise<string> {
  const [message] = (await once(stream, 'data')) as [Checked];
  return message.status;
}

/** A required part whose status a test sets, and a clock by which every report is stale. */
function part(state: { status: HealthStatus }): Plugin {
  return definePlugin({
    name: 'part',
    kernel: '^1.0.0',
    provides: { clock },
    contributes: { healthChecks },
    setup({ contribute }) {
      contribute.healthChecks({ component: 'db', type: 'memdb', required: true, check: async () => ({ ...state }) });
      let micros = 0;
      return { provides: { clock: { now: () => (micros += 1_000_000) } } };
    },
  });
}

describe('grpc.health.v1', () => {
  afterEach(closeAll);

  it('serves the server as a whole and each service by name, and no other', async () => {
    const server = await startEcho();
    const client = server.client({});
    assert.equal((await check(client, '')).status, 'SERVING');
    assert.equal((await check(client, 'echopb.EchoService')).status, 'SERVING');
    assert.equal((await failed(check(client, 'nope.Nope'))).code, status.NOT_FOUND);
    const stranger = watch(client, 'nope.Nope');
    stranger.on('error', () => {});
    assert.equal(await next(stranger), 'SERVICE_UNKNOWN');
    stranger.cancel();
  });

  it('follows the health plugin, and tells who watches', async () => {
    const state: { status: HealthStatus } = { status: 'down' };
    const server = await startEcho({}, { plugins: [part(state)], health: { intervalMs: 20 } });
    const client = server.client({});
    assert.equal((await check(client, '')).status, 'NOT_SERVING');
    const stream = watch(client, 'echopb.EchoService');
    stream.on('error', () => {});
    assert.equal(await next(stream), 'NOT_SERVING');
    state.status = 'up';
    assert.equal(await next(stream), 'SERVING');
    server.running.service(health).draining();
    assert.equal(await next(stream), 'NOT_SERVING');
    stream.cancel();
  });

  it('tells who watches that the server drains, and ends the watch', async () => {
    const server = await startEcho();
    const stream = watch(server.client({}), '');
    const failure = new Promise<ServiceError>((resolve) => stream.on('error', resolve));
    assert.equal(await next(stream), 'SERVING');
    const told = next(stream);
    const stopped = server.running.stop();
    assert.equal(await told, 'NOT_SERVING');
    assert.equal((await failure).code, status.UNAVAILABLE);
    assert.deepEqual((await stopped).problems, []);
  });
});
