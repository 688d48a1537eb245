import assert from 'node:assert/strict';
import plugin from '../../../plugins/redis/plugin.ts';
import { parseAddress } from '../../../plugins/redis/settings.ts';
import { startRedisPlugin, whenConnected } from '../../support/redis-plugins.ts';
import { type OwnRedis, ownRedis, redis as sharedRedis } from '../../support/services/redis.ts';

const unavailable = { code: 'UNAVAILABLE', reason: 'REDIS_UNAVAILABLE' };

describe('the address of Redis', () => {
  it('is host:port, or a URL without anything else', () => {
    assert.deepEqual(parseAddress('cache.internal:7000'), { host: 'cache.internal', port: 7000, tls: false });
    assert.deepEqual(parseAddress('cache.internal'), { host: 'cache.internal', port: 6379, tls: false });
    assert.deepEqual(parseAddress('redis://10.0.0.1:1'), { host: '10.0.0.1', port: 1, tls: false });
    assert.deepEqual(parseAddress('rediss://cache.internal/'), { host: 'cache.internal', port: 6379, tls: true });
    assert.deepEqual(parseAddress('[::1]:7000'), { host: '::1', port: 7000, tls: false });
  });

  for (const text of [
    '',
    ':1',
    'a:b',
    'a:70000',
    'http://a',
    'redis://u:hush@a',
    'hush@a:1',
    'redis://a/2',
    'a?x=hush',
  ])
    it(`refuses '${text}', and does not repeat it`, async () => {
      const checked = await plugin.config!['~standard'].validate({ address: text });
      const [issue, ...others] = checked.issues ?? [];
      assert.equal(others.length, 0);
      assert.match(issue!.message, /^must be host:port, redis:\/\/host:port, or rediss:\/\/host:port for TLS/);
      assert.doesNotMatch(issue!.message, /hush/);
    });
});

describe('the plugin redis', () => {
  let server: OwnRedis;
  before(async function () {
    server = await ownRedis(this);
  });
  after(() => server?.close());

  it('keeps texts by namespace, and sets by condition', async () => {
    const { redis, release } = await startRedisPlugin({ address: server.address });
    const [one, other] = [redis.keyValues('one'), redis.keyValues('other')];
    await one.set('a', 'clé \u{1f600}', 60_000);
    await other.set('a', 'another', 60_000);
    assert.deepEqual(await one.get(['b', 'a']), [undefined, 'clé \u{1f600}']);
    assert.equal(await one.replace('a', 'another', 'new', 60_000), false);
    assert.equal(await one.replace('b', '', 'new', 60_000), false);
    assert.equal(await one.replace('a', 'clé \u{1f600}', 'new', 60_000), true);
    assert.deepEqual(await one.get(['a', 'b']), ['new', undefined]);
    await one.delete(['a', 'b']);
    assert.deepEqual([await one.get(['a']), await other.get(['a'])], [[undefined], ['another']]);
    await release();
    await assert.rejects(one.get(['a']), unavailable);
  });

  it('counts the database and the time to live', async function () {
    const shared = await sharedRedis(this);
    const { REDIS_ADDR: address, REDIS_DB } = await shared.database();
    const { redis, release } = await startRedisPlugin({ address, database: Number(REDIS_DB) });
    await redis.keyValues('n').set('k', 'v', 60_000);
    const left = Number((await shared.send(['PTTL', 'n::k'], REDIS_DB)).slice(1));
    assert.ok(left > 0 && left <= 60_000, `${left} ms`);
    await release();
  });

  it('starts without Redis, says so in one line, and finds it when it comes', async () => {
    await server.stop();
    const { redis, lines, release } = await startRedisPlugin({ address: server.address });
    assert.equal(redis.connected, false);
    await assert.rejects(redis.publish('c', 'm'), unavailable);
    await assert.rejects(
      redis.subscribe('c', () => {}),
      unavailable,
    );
    await server.start();
    await whenConnected(redis, true);
    const before = await redis.server();
    await server.stop();
    await whenConnected(redis, false);
    await server.start();
    await whenConnected(redis, true);
    assert.notEqual(await redis.server(), before);
    assert.deepEqual(
      lines.map(({ level, message }) => `${level} ${message}`),
      [
        'warn Redis cannot be reached: nothing listens there; start it, or set REDIS_ADDR',
        'info Redis is connected',
        'warn Redis cannot be reached: it closed the connection',
        'info Redis is connected',
      ],
    );
    await release();
  });

  it('fails what a frozen Redis does not answer, and notices by itself that it stands still', async () => {
    const { redis, release } = await startRedisPlugin({ address: server.address, timeoutMs: 50 });
    server.freeze();
    try {
      await assert.rejects(redis.keyValues('n').get(['a']), unavailable);
      assert.equal(redis.connected, false);
    } finally {
      server.thaw();
    }
    await whenConnected(redis, true);
    server.freeze();
    try {
      await whenConnected(redis, false);
    } finally {
      server.thaw();
    }
    // With so short a time an answer may be late, and the connection with it.
    const [entries, refused] = [redis.keyValues('n'), () => true];
    while (await entries.get(['a']).then(() => false, refused)) await new Promise(setImmediate);
    await release();
  });

  it('hears its channels again after a restart', async () => {
    const { redis, release } = await startRedisPlugin({ address: server.address });
    let heard = Promise.withResolvers<string>();
    const end = await redis.subscribe('c', (message) => heard.resolve(message));
    await redis.publish('c', 'one');
    assert.equal(await heard.promise, 'one');
    await server.kill();
    await whenConnected(redis, false);
    await server.start();
    heard = Promise.withResolvers();
    // What is sent before the subscription is there again is lost, so it is sent until it comes.
    const sending = setInterval(() => redis.publish('c', 'two').catch(() => {}), 20);
    assert.equal(await heard.promise, 'two');
    clearInterval(sending);
    await end();
    await release();
  });

  it('says what is wrong with the password, and never the password', async function () {
    const locked = await ownRedis(this, ['--requirepass', 'right-hush']);
    try {
      for (const [password, words] of [
        ['wrong-hush', /refuses the user or the password; set REDIS_USERNAME, and REDIS_PASSWORD/],
        ['', /asks for a password; set REDIS_PASSWORD/],
      ] as const) {
        const { redis, lines, release } = await startRedisPlugin({ address: locked.address, password });
        assert.equal(redis.connected, false);
        assert.match(lines[0]!.message, words);
        assert.doesNotMatch(JSON.stringify(lines), /hush/);
        await release();
      }
      const { redis, release } = await startRedisPlugin({ address: locked.address, password: 'right-hush' });
      assert.equal(redis.connected, true);
      await release();
    } finally {
      await locked.close();
    }
  });
});
