import assert from 'node:assert/strict';
import { ownRedis, redis } from '../../support/services/redis.ts';

describe('the Redis of the tests', () => {
  it('gives each test an empty database', async function () {
    const server = await redis(this);
    const [one, other] = [await server.database(), await server.database()];
    await server.send(['SET', 'a', '1'], one.REDIS_DB);
    assert.equal(await server.send(['DBSIZE'], one.REDIS_DB), ':1');
    assert.equal(await server.send(['DBSIZE'], other.REDIS_DB), ':0');
    await assert.rejects(server.send(['NONSENSE']), /unknown command/);
  });

  it('stops, is killed, freezes and starts again for a test that has it for itself', async function () {
    const server = await ownRedis(this);
    for (const end of [server.stop, server.kill]) {
      await end();
      await assert.rejects(server.send(['PING']), /ECONNREFUSED/);
      await server.start();
      assert.equal(await server.send(['PING']), '+PONG');
    }
    server.freeze();
    const answer = server.send(['PING']);
    server.thaw();
    assert.equal(await answer, '+PONG');
    await server.close();
  });
});
