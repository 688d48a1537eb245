import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { KernelError } from '../../../core/kernel/index.ts';
import { decodeStatus } from '../api/support.ts';
import { closeAll, type Failure, failed, read, startEcho } from './support.ts';

describe('where the gRPC server listens', () => {
  afterEach(closeAll);

  it('is refused with the port and what to do when the port is taken', async () => {
    const first = await startEcho();
    for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
      const error = await failed(startEcho({}, { grpc: { host, port: first.port } }));
      assert.ok(error instanceof KernelError);
      assert.deepEqual(
        error.problems.map(({ code }) => code),
        ['PORT_TAKEN'],
      );
      assert.match(error.message, new RegExp(`port ${first.port}`));
    }
    assert.equal((await first.echo({ text: 'still here' })).response.text, 'still here');
  });

  it('is every address by default, and takes callers of IPv4', async () => {
    const server = await startEcho({}, { grpc: { host: '::' } });
    assert.equal((await server.echo({ text: 'a' })).response.text, 'a');
  });
});

describe('the gRPC server that stops', () => {
  afterEach(closeAll);

  it('finishes the calls in hand and refuses new ones', async () => {
    const gate = Promise.withResolvers<void>();
    let inHand = 0;
    const entered = Promise.withResolvers<void>();
    const server = await startEcho({
      async echo({ text }) {
        if (++inHand === 20) entered.resolve();
        await gate.promise;
        return { text };
      },
    });
    const calls = Array.from({ length: 20 }, (_, i) => server.echo({ text: `call ${i}` }));
    await entered.promise;
    const stopped = server.running.stop();
    const late = await failed(server.echo({ text: 'late' }));
    assert.equal(late.code, status.UNAVAILABLE);
    gate.resolve();
    assert.deepEqual(
      (await Promise.all(calls)).map(({ response }) => response.text),
      Array.from({ length: 20 }, (_, i) => `call ${i}`),
    );
    assert.deepEqual((await stopped).problems, []);
  });

  it('loses no call that its handlers have seen, under load', async () => {
    let handled = 0;
    const busy = Promise.withResolvers<void>();
    const server = await startEcho({
      async echo({ text }) {
        await new Promise((resolve) => setImmediate(resolve));
        if (++handled === 300) busy.resolve();
        return { text };
      },
    });
    let answered = 0;
    const failures: Failure[] = [];
    const caller = async () => {
      for (;;)
        try {
          await server.echo({ text: 'a' });
          answered++;
        } catch (error) {
          failures.push(error as Failure);
          return;
        }
    };
    const callers = Array.from({ length: 16 }, caller);
    await busy.promise;
    const report = await server.running.stop();
    await Promise.all(callers);
    assert.deepEqual(report.problems, []);
    assert.equal(answered, handled);
    assert.deepEqual([...new Set(failures.map(({ code }) => code))], [status.UNAVAILABLE]);
  });

  it('ends streams with UNAVAILABLE, and their generators with them', async () => {
    const ended = Promise.withResolvers<void>();
    const server = await startEcho({
      async *count(_request, { signal }) {
        try {
          yield { number: 1 };
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        } finally {
          ended.resolve();
        }
      },
    });
    const stream = server.count({});
    const reading = read(stream);
    await new Promise((resolve) => stream.once('data', resolve));
    const stopped = server.running.stop();
    const { messages, error } = await reading;
    assert.equal(messages.length, 1);
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.equal(
      decodeStatus(error?.metadata.get('grpc-status-details-bin')[0] as Buffer).info?.reason,
      'SHUTTING_DOWN',
    );
    await ended.promise;
    assert.deepEqual((await stopped).problems, []);
  });

  it('cuts what is still running when its time is over', async () => {
    const entered = Promise.withResolvers<void>();
    const server = await startEcho(
      {
        echo() {
          entered.resolve();
          return new Promise(() => {});
        },
      },
      { grpc: { drainGraceMs: 30 } },
    );
    const call = failed(server.echo({ text: 'a' }));
    await entered.promise;
    const report = await server.running.stop();
    assert.deepEqual(report.problems, []);
    assert.ok([status.CANCELLED, status.UNAVAILABLE, status.INTERNAL].includes((await call).code));
  });
});
