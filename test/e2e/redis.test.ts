import assert from 'node:assert/strict';
import { cache } from '../../core/contracts/cache.ts';
import { redis } from '../../core/contracts/redis.ts';
import { AdminServiceService } from '../../proto/gen/admin/v1/admin.ts';
import { whenConnected } from '../support/redis-plugins.ts';
import { postgres, type TestDatabase } from '../support/services/postgres.ts';
import { type OwnRedis, ownRedis } from '../support/services/redis.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';

/** Of the parts that use Redis. */
async function statuses(tracker: Tracker): Promise<unknown[]> {
  const { body } = await tracker.http('GET', '/health');
  assert.deepEqual([body.cache_type, body.communication_method], ['redis', 'redis']);
  return [body.cache_status, body.communication_status];
}

describe('two instances on one PostgreSQL and one Redis', () => {
  let server: OwnRedis;
  let database: TestDatabase;
  let trackers: Tracker[] = [];
  let variables: Record<string, string>;
  let id: string;

  before(async function () {
    onlyOn(this, 'memdb', 'it opens the database that it tests itself');
    server = await ownRedis(this);
    database = await (await postgres(this)).createDatabase();
    const redisToo = { CACHE_TYPE: 'redis', COMMUNICATION_METHOD: 'redis', REDIS_ADDR: server.address };
    variables = { ...database.variables, ...redisToo };
    trackers = [await startTracker(variables), await startTracker(variables)];
    const made = await trackers[0]!.http('POST', '/v1/users', { name: 'Ada', email: 'ada@example.com' });
    id = made.body.user.id;
  });
  after(async () => {
    for (const tracker of trackers.toReversed()) await tracker.stop();
    await database?.drop();
    await server?.close();
  });

  const nameOn = async (tracker: Tracker) => {
    const { status, body } = await tracker.http('GET', `/v1/users/${id}`);
    assert.equal(status, 200);
    return body.user.name as string;
  };
  const rename = async (tracker: Tracker, name: string) => {
    const { status } = await tracker.http('PATCH', `/v1/users/${id}`, { name });
    assert.equal(status, 200);
  };
  /** Both read until each finds it in Redis. */
  async function warm(): Promise<void> {
    for (const tracker of trackers) {
      const counts = () => tracker.service(cache).counts().hits;
      for (const before = counts(); counts() === before; ) await nameOn(tracker);
    }
  }

  it('reads at once what it wrote, and soon what the other wrote, however often both read meanwhile', async () => {
    let reading = true;
    const readers = trackers.map(async (tracker) => {
      while (reading) await nameOn(tracker);
    });
    for (let n = 0; n < 60; n++) {
      const [writer, other] = n % 2 ? trackers : trackers.toReversed();
      await rename(writer!, `Ada ${n}`);
      assert.equal(await nameOn(writer!), `Ada ${n}`);
      while ((await nameOn(other!)) !== `Ada ${n}`);
      assert.equal(await nameOn(writer!), `Ada ${n}`);
    }
    reading = false;
    await Promise.all(readers);
    assert.ok(trackers.every((tracker) => tracker.service(cache).counts().hits > 0));
  });

  it('has no error and no old row while Redis is stopped, frozen and restarted under calls', async () => {
    let calling = true;
    let written = 0;
    const callers = [
      ...trackers.map(async (tracker) => {
        while (calling) await nameOn(tracker);
      }),
      (async () => {
        while (calling) {
          await rename(trackers[0]!, `Eve ${++written}`);
          assert.equal(await nameOn(trackers[0]!), `Eve ${written}`);
        }
      })(),
    ];
    const connected = (now: boolean) =>
      Promise.all(trackers.map((tracker) => whenConnected(tracker.service(redis), now)));
    await server.stop();
    await connected(false);
    assert.deepEqual((await trackers[0]!.http('GET', '/readyz')).status, 200);
    await server.start();
    await connected(true);
    server.freeze();
    await connected(false);
    server.thaw();
    await connected(true);
    await server.kill();
    await server.start();
    await connected(true);
    calling = false;
    await Promise.all(callers);
    while ((await nameOn(trackers[1]!)) !== `Eve ${written}`);
    await warm();
  });

  it('forgets everything on all instances by FlushCache', async () => {
    for (let n = 0, shown = ''; shown !== 'both are old'; n++) {
      await warm();
      // Past the tracker, which therefore knows nothing of it, unless the log still brings it what was before.
      await database.query('update users set name = $2 where id = $1', [id, `Past ${n}`]);
      const names = await Promise.all(trackers.map(nameOn));
      if (names.every((name) => name !== `Past ${n}`)) shown = 'both are old';
      await trackers[0]!.grpc(AdminServiceService.flushCache, {});
      for (const tracker of trackers) assert.equal(await nameOn(tracker), `Past ${n}`);
    }
  });

  it('says in its health what Redis is', async () => {
    // What a report says is good for a second.
    for (const tracker of trackers) while ((await statuses(tracker)).some((status) => status !== 'up'));
  });

  it('starts without Redis, is ready, and says that it is degraded; FlushCache says that it cannot be told', async () => {
    await server.stop();
    const alone = await startTracker(variables);
    try {
      assert.equal((await alone.http('GET', '/readyz')).status, 200);
      assert.deepEqual(await statuses(alone), ['degraded', 'degraded']);
      assert.match(await nameOn(alone), /^Past/);
      await assert.rejects(alone.grpc(AdminServiceService.flushCache, {}), { code: 14, reason: 'CACHE_UNAVAILABLE' });
    } finally {
      await alone.stop();
    }
  });
});
