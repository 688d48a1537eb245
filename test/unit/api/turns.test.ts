import assert from 'node:assert/strict';
import { bytesOf } from '../../fixtures/echo/echo.ts';
import { bootEcho, ECHO, failure, origin, turn } from './support.ts';

const hello = bytesOf('EchoRequest', { text: 'hello' });

/** Takes the thread for a while, as a long list does. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('the turns of calls', () => {
  it('let one connection begin a call soon, however many long ones another has sent before', async () => {
    const { running, api, method } = await bootEcho({
      echo() {
        work(4);
        return {};
      },
    });
    const order: string[] = [];
    const send = (connection: string) =>
      api.unary(method(ECHO), hello, origin({ connection: () => connection })).then(() => order.push(connection));
    const many = Array.from({ length: 100 }, () => send('many'));
    await turn();
    await Promise.all([...many, send('one')]);
    assert.equal(order.length, 101);
    assert.ok(order.indexOf('one') < 20, `it was number ${order.indexOf('one')}`);
    await running.stop();
  });

  it('let the network have its turn after one call of each connection, also when calls keep coming', async () => {
    const { running, api, method } = await bootEcho({
      echo() {
        work(3);
        return {};
      },
    });
    let done = 0;
    const send = (connection: string) => api.unary(method(ECHO), hello, origin({ connection: () => connection }));
    // Between two timers there is one round of the event loop.
    const round = () => new Promise<void>((resolve) => setTimeout(resolve));
    const many = Array.from({ length: 200 }, () => send('many').then(() => done++));
    const others: Promise<unknown>[] = [];
    for (let i = 0; i < 12; i++) {
      others.push(send('one'));
      await round();
    }
    await Promise.all(others);
    for (let i = 0; i < 5; i++) {
      const before = done;
      await round();
      assert.ok(done - before <= 2, `${done - before} began in one round`);
    }
    await Promise.all(many);
    await running.stop();
  });

  it('do not run a call whose caller went away while it waited', async () => {
    let runs = 0;
    const { running, api, method } = await bootEcho({
      echo() {
        runs += 1;
        work(6);
        return {};
      },
    });
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 20 }, () => api.unary(method(ECHO), hello, origin({ signal })));
    controller.abort();
    const ends = await Promise.allSettled(calls);
    assert.ok(ends.filter(({ status }) => status === 'rejected').length >= 15);
    assert.ok(runs <= 5, `${runs} ran`);
    assert.equal((await failure(api.unary(method(ECHO), hello, origin({ signal })))).code, 'CANCELLED');
    await running.stop();
  });
});
