import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { Call } from '../../../core/contracts/api.ts';
import { DomainError } from '../../../core/contracts/errors.ts';
import { bytesOf } from '../../fixtures/echo/echo.ts';
import { bootEcho, COUNT, decodeStatus, ECHO, failure, origin, resumeTime, stopTime, turn } from './support.ts';

const hello = bytesOf('EchoRequest', { text: 'hello' });
const never = () => new Promise<never>(() => {});
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

describe('a call in the pipeline', () => {
  afterEach(() => resumeTime());

  it('gives the handler an anonymous actor, the request id, the deadline and the method', async () => {
    const calls: Call[] = [];
    const { running, api, method } = await bootEcho({
      echo(_request, call) {
        calls.push(call);
        return {};
      },
    });
    const deadline = Date.now() + 5_000;
    await api.unary(method(ECHO), hello, origin({ requestId: 'mine-1', deadline }));
    const [call] = calls;
    assert.deepEqual(call?.actor, { kind: 'anonymous', userId: null });
    assert.equal(call?.requestId, 'mine-1');
    assert.equal(call?.deadline, deadline);
    assert.equal(call?.method, ECHO);
    assert.equal(call?.signal.aborted, false);
    await running.stop();
  });

  it('tells those who hold its cancellation when it ends, as it tells those who hold its signal', async () => {
    const told: unknown[] = [];
    const reached = Promise.withResolvers<void>();
    const { running, api, method } = await bootEcho({
      async echo(_request, { cancellation }) {
        const gone = { handleEvent: () => told.push('who has gone') };
        cancellation.addEventListener('abort', gone);
        cancellation.removeEventListener('abort', gone);
        cancellation.addEventListener('abort', {
          handleEvent: () => told.push(cancellation.aborted, (cancellation.reason as DomainError).code),
        });
        reached.resolve();
        await never();
      },
    });
    const ended = failure(api.unary(method(ECHO), hello, origin({ deadline: stopTime() + 30 })));
    await reached.promise;
    resumeTime(30);
    assert.equal((await ended).code, 'DEADLINE_EXCEEDED');
    assert.deepEqual(told, [true, 'DEADLINE_EXCEEDED']);
    await running.stop();
  });

  it('makes a request id where the given one is not 1 to 128 visible ASCII characters', async () => {
    const { running, api, method } = await bootEcho();
    const settled = async (requestId?: string) => {
      let got = '';
      const onRequestId = (id: string) => {
        got = id;
      };
      await api.unary(method(ECHO), hello, origin({ onRequestId, ...(requestId === undefined ? {} : { requestId }) }));
      return got;
    };
    assert.equal(await settled('x'.repeat(128)), 'x'.repeat(128));
    for (const bad of [undefined, '', 'a b', 'tab\t', 'ü', 'x'.repeat(129)])
      assert.match(await settled(bad), /^[0-9a-f-]{36}$/);
    await running.stop();
  });

  it('has 30 s where the caller sets no deadline, and never more than the most that is allowed', async () => {
    const deadlines: number[] = [];
    const { running, api, method } = await bootEcho(
      {
        echo(_request, { deadline }) {
          deadlines.push(deadline);
          return {};
        },
      },
      { maxDeadlineMs: 60_000 },
    );
    const now = stopTime();
    await api.unary(method(ECHO), hello, origin());
    await api.unary(method(ECHO), hello, origin({ deadline: now + 3_600_000 }));
    assert.deepEqual(deadlines, [now + 30_000, now + 60_000]);
    resumeTime();
    await running.stop();
  });

  it('does not reach the handler when it is cancelled or past its deadline', async () => {
    let ran = 0;
    const { running, api, method } = await bootEcho({
      echo() {
        ran++;
        return {};
      },
    });
    const cancelled = await failure(api.unary(method(ECHO), hello, origin({ signal: AbortSignal.abort() })));
    assert.equal(cancelled.code, 'CANCELLED');
    const late = await failure(api.unary(method(ECHO), hello, origin({ deadline: Date.now() - 1 })));
    assert.equal(late.code, 'DEADLINE_EXCEEDED');
    assert.equal(ran, 0);
    await running.stop();
  });

  it('ends at its deadline while the handler runs, and the handler learns it by its signal', async () => {
    let signal: AbortSignal | undefined;
    const reached = Promise.withResolvers<void>();
    const { running, api, method } = await bootEcho({
      echo(_request, call) {
        signal = call.signal;
        reached.resolve();
        return never();
      },
    });
    const ended = failure(api.unary(method(ECHO), hello, origin({ deadline: stopTime() + 20 })));
    await reached.promise;
    resumeTime(20);
    const error = await ended;
    assert.equal(error.code, 'DEADLINE_EXCEEDED');
    assert.equal(decodeStatus(error.status).info?.reason, 'DEADLINE_EXCEEDED');
    assert.equal(signal?.aborted, true);
    assert.equal(signal?.reason.code, 'DEADLINE_EXCEEDED');
    await running.stop();
  });

  it('ends as CANCELLED when its caller goes away, and what the handler throws later disturbs nobody', async () => {
    const { running, api, method } = await bootEcho({
      async echo(_request, { signal }) {
        await aborted(signal);
        throw new Error('too late');
      },
    });
    const controller = new AbortController();
    const call = failure(api.unary(method(ECHO), hello, origin({ signal: controller.signal })));
    await turn();
    controller.abort();
    assert.equal((await call).code, 'CANCELLED');
    // An unhandled rejection would fail the run.
    await turn();
    await running.stop();
  });

  it('ends with the reason of the abort where that is a domain error', async () => {
    const { running, api, method } = await bootEcho({ echo: never });
    const controller = new AbortController();
    const call = failure(api.unary(method(ECHO), hello, origin({ signal: controller.signal })));
    controller.abort(new DomainError('UNAVAILABLE', 'SHUTTING_DOWN', 'bye'));
    assert.equal((await call).reason, 'SHUTTING_DOWN');
    await running.stop();
  });

  it('leaves no timer and no listener behind', async () => {
    const { running, api, method } = await bootEcho({
      echo: async (_request, { signal }) => ({ text: `${signal.aborted}` }),
    });
    const controller = new AbortController();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    for (let i = 0; i < 20; i++) await api.unary(method(ECHO), hello, origin({ signal: controller.signal }));
    assert.ok(timers() <= before, 'timers are left');
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    await running.stop();
  });

  it('asks to be told when its caller goes only where it does not end at once', async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    let slow = false;
    const { running, api, method } = await bootEcho({ echo: async () => (slow ? promise : {}) });
    let listeners = 0;
    const signal = {
      aborted: false,
      reason: undefined,
      addEventListener: () => void listeners++,
      removeEventListener: () => void listeners--,
    };
    await api.unary(method(ECHO), hello, origin({ signal }));
    await turn();
    assert.equal(listeners, 0);
    slow = true;
    const call = api.unary(method(ECHO), hello, origin({ signal }));
    await turn();
    assert.equal(listeners, 1);
    resolve({});
    await call;
    assert.equal(listeners, 0);
    await running.stop();
  });

  it('is refused while as many handlers run as may, also those whose callers have gone', async () => {
    let release = () => {};
    const { promise, resolve } = Promise.withResolvers<object>();
    release = () => resolve({});
    const { running, api, method } = await bootEcho({ echo: () => promise }, { maxCalls: 2 });
    const gone = new AbortController();
    const first = failure(api.unary(method(ECHO), hello, origin({ signal: gone.signal })));
    const second = api.unary(method(ECHO), hello, origin());
    gone.abort();
    assert.equal((await first).code, 'CANCELLED');
    const refused = await failure(api.unary(method(ECHO), hello, origin()));
    assert.equal(refused.code, 'RESOURCE_EXHAUSTED');
    assert.equal(refused.reason, 'TOO_MANY_CALLS');
    assert.ok(decodeStatus(refused.status).retry);
    release();
    await second;
    await api.unary(method(ECHO), hello, origin());
    await running.stop();
  });

  it('is told UNIMPLEMENTED for a method that is not there', async () => {
    const { running, api, method } = await bootEcho();
    const unknown = { ...method(ECHO), path: '/echopb.EchoService/Nope' };
    assert.equal((await failure(api.unary(unknown, hello, origin()))).code, 'UNIMPLEMENTED');
    await running.stop();
  });
});

describe('a stream in the pipeline', () => {
  const three = bytesOf('CountRequest', { to: 3 });
  const endless = bytesOf('CountRequest', {});
  const collect = async (stream: AsyncIterable<Uint8Array>) => {
    let count = 0;
    for await (const _ of stream) count++;
    return count;
  };

  it('delivers every message and ends', async () => {
    const { running, api, method } = await bootEcho();
    assert.equal(await collect(api.serverStream(method(COUNT), three, origin())), 3);
    await running.stop();
  });

  it('ends its generator when its reader leaves', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    let signal: AbortSignal | undefined;
    const { running, api, method } = await bootEcho({
      async *count(_request, call) {
        signal = call.signal;
        try {
          for (;;) yield {};
        } finally {
          resolve('ended');
        }
      },
    });
    for await (const _ of api.serverStream(method(COUNT), endless, origin())) break;
    assert.equal(await promise, 'ended');
    assert.equal(signal?.aborted, true);
    await running.stop();
  });

  it('ends a generator that waits when the caller cancels', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const { running, api, method } = await bootEcho({
      // biome-ignore lint/correctness/useYield: it waits for what never comes
      async *count(_request, { signal }) {
        try {
          await aborted(signal);
        } finally {
          resolve('ended');
        }
      },
    });
    const controller = new AbortController();
    const stream = failure(collect(api.serverStream(method(COUNT), endless, origin({ signal: controller.signal }))));
    await turn();
    controller.abort();
    assert.equal((await stream).code, 'CANCELLED');
    assert.equal(await promise, 'ended');
    await running.stop();
  });

  it('fails after its messages as the generator does', async () => {
    const { running, api, method } = await bootEcho({
      async *count() {
        yield {};
        throw new DomainError('OUT_OF_RANGE', 'TOKEN_EXPIRED', 'start again');
      },
    });
    const iterator = api.serverStream(method(COUNT), endless, origin())[Symbol.asyncIterator]();
    assert.equal((await iterator.next()).done, false);
    assert.equal((await failure(iterator.next())).reason, 'TOKEN_EXPIRED');
    await running.stop();
  });

  it('keeps its place until its generator has ended', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { running, api, method } = await bootEcho(
      {
        async *count() {
          try {
            yield {};
          } finally {
            await promise;
          }
        },
      },
      { maxStreams: 1 },
    );
    const open = () => api.serverStream(method(COUNT), endless, origin());
    for await (const _ of open()) break;
    assert.equal((await failure(collect(open()))).code, 'RESOURCE_EXHAUSTED');
    resolve();
    await turn();
    assert.equal(await collect(open()), 1);
    await running.stop();
  });

  it('is ended by its handler while its reader has a message in hand, with what the handler explains', async () => {
    let running: Call | undefined;
    let place = 0;
    const {
      running: booted,
      api,
      method,
    } = await bootEcho({
      async *count(_request, call) {
        running = call;
        call.explainErrors(() => ({ place: `${place}` }));
        for (;;) {
          place += 1;
          yield {};
        }
      },
    });
    let over = 0;
    const told = origin({ onOver: () => void over++ });
    const iterator = api.serverStream(method(COUNT), endless, told)[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    running?.fail(new DomainError('RESOURCE_EXHAUSTED', 'SLOW', 'too slow', { metadata: { own: '1' } }));
    running?.fail(new DomainError('INTERNAL', 'LATER', 'only the first end counts'));
    assert.equal(over, 1);
    const { code, reason, metadata, status } = await failure(iterator.next());
    assert.deepEqual([code, reason, metadata], ['RESOURCE_EXHAUSTED', 'SLOW', { own: '1', place: '2' }]);
    assert.deepEqual(decodeStatus(status).info?.metadata, { own: '1', place: '2' });
    await booted.stop();
  });
});
