import assert from 'node:assert/strict';
import { Breaker } from '../../../plugins/cache-redis/breaker.ts';

describe('the breaker of the cache in Redis', () => {
  it('is not closed by a try that began before something failed', async () => {
    const answered = Promise.withResolvers<void>();
    const breaker = new Breaker({
      limitMs: 10_000,
      retryMs: 60_000,
      async recover(close) {
        await answered.promise;
        close();
      },
    });
    const tried = breaker.start();
    breaker.trip();
    answered.resolve();
    await tried;
    assert.equal(breaker.closed, false);
    await breaker.retry();
    assert.equal(breaker.closed, true);
    breaker.stop();
  });
});
