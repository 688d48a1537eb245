import assert from 'node:assert/strict';
import { refuses } from '../../../core/testing/store/fixtures.ts';
import { ScopeQueue } from '../../../plugins/storage-sql/store/scope-queue.ts';

const never = new AbortController().signal;
const turn = () => new Promise(setImmediate);

describe('storage-sql: the queue of a scope', () => {
  it('lets two of a scope go on, and the others in the order of their arrival', async () => {
    const queue = new ScopeQueue();
    const order: number[] = [];
    const places: (() => void)[] = [];
    for (let i = 0; i < 5; i++)
      queue.take('a', never).then((giveUp) => {
        order.push(i);
        places.push(giveUp);
      });
    await turn();
    assert.deepEqual(order, [0, 1]);
    for (let i = 0; i < 5; i++) {
      places[i]!();
      await turn();
    }
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
  });

  it('keeps scopes apart, and begins anew when all have gone', async () => {
    const queue = new ScopeQueue(1);
    for (let i = 0; i < 3; i++) {
      const [a, b] = await Promise.all([queue.take('a', never), queue.take('b', never)]);
      a();
      b();
    }
  });

  it('ends a wait by its signal, and gives that place to the next', async () => {
    const queue = new ScopeQueue(1);
    const giveUp = await queue.take('a', never);
    const controller = new AbortController();
    const called = queue.take('a', controller.signal);
    let reached = false;
    const next = queue.take('a', never).then(() => {
      reached = true;
    });
    controller.abort();
    await refuses(called, 'unavailable');
    await turn();
    assert.equal(reached, false, 'nobody has left');
    giveUp();
    await next;
    await refuses(queue.take('b', controller.signal), 'unavailable');
  });
});
