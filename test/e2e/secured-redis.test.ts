import assert from 'node:assert/strict';
import { cache } from '../../core/contracts/cache.ts';
import { redis } from '../../core/contracts/redis.ts';
import { freePort } from '../support/free-port.ts';
import { whenConnected } from '../support/redis-plugins.ts';
import { type Authority, newAuthority } from '../support/services/certificates.ts';
import { type OwnRedis, ownRedis } from '../support/services/redis.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker, type TrackerOptions } from '../support/tracker.ts';
import { recordingLogger } from '../unit/plugin-context.ts';

/** No message may hold it. */
const PASSWORD = 'hush-of-the-tracker';
/** What plugins/redis/README.md says that a user needs. */
const RIGHTS =
  '~tracker:* &tracker:* +ping +select +info +client|setname +get +mget +set +unlink +multi +exec +eval +publish +subscribe +unsubscribe'.split(
    ' ',
  );

describe('a Redis with TLS, and with users', () => {
  let authority: Authority;
  let other: Authority;
  let server: OwnRedis;
  let port: number;

  before(async function () {
    onlyOn(this, 'memdb', 'it is about Redis');
    [authority, other] = [newAuthority(), newAuthority()];
    const { certFile, keyFile } = authority.certificateFor('localhost');
    port = await freePort();
    const tls = ['--tls-port', String(port), '--tls-cert-file', certFile, '--tls-key-file', keyFile];
    const users = [
      ...['--user', 'tracker', 'on', `>${PASSWORD}`, ...RIGHTS],
      ...['--user', 'reader', 'on', `>${PASSWORD}`, ...RIGHTS.filter((right) => right !== '+eval')],
    ];
    server = await ownRedis(this, [...tls, '--tls-auth-clients', 'no', '--requirepass', PASSWORD, ...users]);
  });
  after(async () => {
    await server?.close();
    for (const one of [authority, other]) one?.remove();
  });

  const secured = () => ({
    CACHE_TYPE: 'redis',
    COMMUNICATION_METHOD: 'redis',
    REDIS_ADDR: `rediss://localhost:${port}`,
    REDIS_SSL_CA: authority.caFile,
    REDIS_PASSWORD: PASSWORD,
  });
  const tell = (lines: readonly { readonly level: string; readonly message: string }[]) =>
    lines.filter(({ message }) => message.startsWith('Redis')).map(({ level, message }) => `${level} ${message}`);
  /** What was told besides. On a busy machine there is no answer in time now and then. */
  const others = (told: readonly string[], ...expected: readonly string[]) =>
    told.filter((line) => !expected.includes(line) && !line.includes('it does not answer'));
  const statusesOf = async (tracker: Tracker) => {
    const { body } = await tracker.http('GET', '/health');
    return [body.status, body.cache_status, body.communication_status];
  };
  async function newUser(tracker: Tracker): Promise<() => Promise<void>> {
    const { body } = await tracker.http('POST', '/v1/users', { name: 'Ada', email: 'ada@example.com' });
    return async () => assert.equal((await tracker.http('GET', `/v1/users/${body.user.id}`)).body.user.name, 'Ada');
  }
  async function withTracker(
    variables: Readonly<Record<string, string>>,
    use: (tracker: Tracker, told: () => string[]) => Promise<void>,
    options: TrackerOptions = {},
  ): Promise<void> {
    const log = recordingLogger();
    const tracker = await startTracker(variables, { log, ...options });
    try {
      await use(tracker, () => tell(log.lines));
      assert.equal(JSON.stringify(log.lines).includes(PASSWORD), false);
    } finally {
      await tracker.stop();
    }
  }

  for (const [who, variables] of [
    ['the password alone', {}],
    ['a user with no more rights than it needs', { REDIS_USERNAME: 'tracker', REDIS_DB: '3' }],
  ] as const)
    it(`serves the cache and the hints of the tracker, by ${who}`, async () => {
      await withTracker({ ...secured(), ...variables }, async (tracker, told) => {
        const { hits } = tracker.service(cache).counts();
        const read = await newUser(tracker);
        while (tracker.service(cache).counts().hits === hits) await read();
        while ((await statusesOf(tracker)).some((status) => !['healthy', 'up'].includes(status)));
        const heard = Promise.withResolvers<string>();
        const end = await tracker.service(redis).subscribe('tracker:of-the-test', heard.resolve);
        await tracker.service(redis).publish('tracker:of-the-test', 'hello');
        assert.equal(await heard.promise, 'hello');
        await end();
        assert.deepEqual(others(told(), 'info Redis is connected'), []);
      });
    });

  const password = 'it refuses the user or the password; set REDIS_USERNAME, and REDIS_PASSWORD or REDIS_PASSWORD_FILE';
  const authorityUnknown =
    "its certificate is not of a known authority; set REDIS_SSL_CA to the authority's certificate";
  for (const [what, variables, says] of [
    ['an authority that did not sign', () => ({ REDIS_SSL_CA: other.caFile }), authorityUnknown],
    ['only the authorities of the system', () => ({ REDIS_SSL_CA: '' }), authorityUnknown],
    [
      'a host that is not in the certificate',
      () => ({ REDIS_ADDR: `rediss://127.0.0.1:${port}` }),
      'its certificate is for another host; set REDIS_ADDR to the name in it',
    ],
    [
      'TLS where there is none',
      () => ({ REDIS_ADDR: `rediss://${server.address}` }),
      'it does not speak TLS; set REDIS_ADDR without rediss://',
    ],
    [
      'no TLS where it is asked for',
      () => ({ REDIS_ADDR: `redis://localhost:${port}`, REDIS_SSL_CA: '' }),
      'it closed the connection; where it speaks TLS alone, set REDIS_ADDR to rediss://host:port',
    ],
    ['a wrong password', () => ({ REDIS_PASSWORD: `not ${PASSWORD}` }), password],
    ['a user that there is not', () => ({ REDIS_USERNAME: 'nobody' }), password],
  ] as const)
    it(`leaves the tracker serving, and says in one line what is wrong, with ${what}`, async () => {
      await withTracker({ ...secured(), ...variables() }, async (tracker, told) => {
        await (await newUser(tracker))();
        assert.deepEqual(await statusesOf(tracker), ['degraded', 'degraded', 'degraded']);
        assert.equal((await tracker.http('GET', '/readyz')).status, 200);
        const said = `warn Redis cannot be reached: ${says}`;
        // A Redis without TLS may wait for the rest of what it takes for a command: then only what to do is the same.
        const todo = says.split('; ').at(-1)!;
        while (!told().at(-1)?.endsWith(todo)) await statusesOf(tracker);
        assert.deepEqual(others(told(), said), []);
        assert.equal(told().length, new Set(told()).size);
      });
    });

  it('does not start with a file that holds no certificate', async () => {
    const REDIS_SSL_CA = authority.certificateFor('a.example').keyFile;
    await assert.rejects(startTracker({ ...secured(), REDIS_SSL_CA }), /REDIS_SSL_CA holds no certificate/);
  });

  it('says in one line that a user lacks a right, and the store answers', async () => {
    await withTracker({ ...secured(), REDIS_USERNAME: 'reader' }, async (tracker, told) => {
      await whenConnected(tracker.service(redis), true);
      const read = await newUser(tracker);
      while (!told().some((line) => line.includes('refuses'))) await read();
      for (let n = 0; n < 100; n++) await read();
      const refused =
        'warn Redis refuses a command: the user may not do that; grant it what the page of the plugin redis says';
      assert.deepEqual(others(told(), 'info Redis is connected', refused), []);
      assert.equal(told().filter((line) => line === refused).length, 1);
    });
  });
});
