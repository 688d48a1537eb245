import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { transport } from '../../core/contracts/transport.ts';
import { readEvents } from '../support/kafka-events.ts';
import { type Authority, newAuthority } from '../support/services/certificates.ts';
import { type SecuredKafka, securedKafka } from '../support/services/kafka.ts';
import { onlyOn } from '../support/stores.ts';
import { type Answer, startTracker, type Tracker } from '../support/tracker.ts';
import { recordingLogger } from '../unit/plugin-context.ts';

/** No message may hold it. */
const PASSWORD = 'hush-of-the-tracker';

describe('a Kafka with TLS and SASL', () => {
  let authority: Authority;
  let other: Authority;
  let broker: SecuredKafka;

  before(async function () {
    onlyOn(this, 'memdb', 'it is about Kafka');
    [authority, other] = [newAuthority(), newAuthority()];
    const certificate = authority.certificateFor('localhost');
    broker = await securedKafka(this, { certificate, username: 'tracker', password: PASSWORD });
  });
  after(async () => {
    await broker?.close();
    for (const one of [authority, other]) one?.remove();
  });

  const overTls = () => ({
    COMMUNICATION_METHOD: 'kafka',
    ...broker.topics(),
    KAFKA_BROKERS: broker.tls,
    KAFKA_SSL: 'verify-full',
    KAFKA_SSL_CA: authority.caFile,
  });
  const signedIn = (mechanism = 'scram-sha-512') => ({
    ...overTls(),
    KAFKA_BROKERS: broker.sasl,
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: 'tracker',
    KAFKA_SASL_PASSWORD: PASSWORD,
  });
  const health = async (tracker: Tracker) => (await tracker.http('GET', '/health')).body;
  const newUser = async (tracker: Tracker) =>
    (await tracker.http('POST', '/v1/users', { name: 'Ada', email: 'ada@example.com' })).body.user.id as string;

  async function withTracker(
    variables: Readonly<Record<string, string>>,
    use: (tracker: Tracker, complaints: () => string[]) => Promise<void>,
  ): Promise<void> {
    const log = recordingLogger();
    const tracker = await startTracker(variables, { log });
    const complaints = () =>
      log.lines.flatMap(({ level, fields, message }) => {
        const { reason = '' } = fields as { readonly reason?: string };
        // On a busy machine there is no answer in time now and then.
        return level === 'warn' && message.includes('Kafka') && !reason.includes('it does not answer')
          ? [`${message}: ${reason}`]
          : [];
      });
    try {
      await use(tracker, complaints);
      assert.equal(JSON.stringify(log.lines).includes(PASSWORD), false);
    } finally {
      await tracker.stop();
    }
  }

  for (const [how, variables] of [
    ['TLS alone', overTls],
    ['TLS of whoever answers', () => ({ ...overTls(), KAFKA_SSL: 'require', KAFKA_SSL_CA: '' })],
    ['PLAIN', () => signedIn('plain')],
    ['SCRAM-SHA-256', () => signedIn('scram-sha-256')],
    ['SCRAM-SHA-512', () => signedIn('scram-sha-512')],
  ] as const)
    it(`carries the tracker's messages and events, by ${how}`, async () => {
      const chosen = variables();
      await withTracker(chosen, async (tracker) => {
        const id = await newUser(tracker);
        const events = await readEvents({ ...chosen, KAFKA_BROKERS: broker.brokers });
        await events.until((all) => all.some(({ key }) => key === id));
        await events.end();
        const heard = Promise.withResolvers<unknown>();
        const message = { key: 'of the test', value: how };
        const unsubscribe = await tracker.service(transport).subscribe('of-the-test', heard.resolve);
        await tracker.service(transport).publish('of-the-test', message);
        assert.deepEqual(await heard.promise, message);
        await unsubscribe();
        for (let now = await health(tracker); now.status !== 'healthy'; now = await health(tracker));
      });
    });

  const refused =
    'it refuses the user or the password; set KAFKA_SASL_USERNAME, and KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE';
  const unknown = "its certificate is not of a known authority; set KAFKA_SSL_CA to the authority's certificate";
  const closed = 'it closed the connection; where it asks for TLS or a name, set KAFKA_SSL or KAFKA_SASL_MECHANISM';
  const noSasl = 'it asks nobody there who he is; set KAFKA_SASL_MECHANISM to none, or KAFKA_BROKERS';
  /** What is wrong, the variables, and what the tracker says of it. */
  const wrong = [
    ['an authority that did not sign', () => ({ ...overTls(), KAFKA_SSL_CA: other.caFile }), unknown],
    ['only the authorities of the system', () => ({ ...overTls(), KAFKA_SSL_CA: '' }), unknown],
    [
      'a host that is not in the certificate',
      () => ({ ...overTls(), KAFKA_BROKERS: broker.tls.replace('localhost', '127.0.0.1') }),
      'its certificate is for another host; set KAFKA_BROKERS to the name in it',
    ],
    [
      'TLS where there is none',
      () => ({ ...overTls(), KAFKA_BROKERS: broker.brokers }),
      'it does not speak TLS there; set KAFKA_SSL to off, or KAFKA_BROKERS',
    ],
    ['no TLS where it is asked for', () => ({ ...overTls(), KAFKA_SSL: 'off', KAFKA_SSL_CA: '' }), closed],
    ['no name where it is asked for', () => ({ ...overTls(), KAFKA_BROKERS: broker.sasl }), closed],
    ['a name where none is asked for', () => ({ ...signedIn(), KAFKA_BROKERS: broker.tls }), noSasl],
    ['a wrong password, by PLAIN', () => ({ ...signedIn('plain'), KAFKA_SASL_PASSWORD: `not ${PASSWORD}` }), refused],
    ['a wrong password, by SCRAM', () => ({ ...signedIn(), KAFKA_SASL_PASSWORD: `not ${PASSWORD}` }), refused],
    ['a user that there is not', () => ({ ...signedIn(), KAFKA_SASL_USERNAME: 'nobody' }), refused],
  ] as const;

  it(`leaves the tracker serving, and says in one line what is wrong: ${wrong.map(([what]) => what).join('; ')}`, () =>
    Promise.all(
      wrong.map(([what, variables, says]) =>
        withTracker(variables(), async (tracker, complaints) => {
          await newUser(tracker);
          assert.equal((await tracker.http('GET', '/readyz')).status, 200);
          const isSaid = ({ communication_detail }: Answer['body']) => communication_detail === `Kafka: ${says}`;
          for (let now = await health(tracker); !isSaid(now); now = await health(tracker)) {
            assert.equal(now.status, 'degraded', what);
            await pause(20);
          }
          while (complaints().length === 0) await pause(20);
          assert.deepEqual(
            complaints(),
            [`events wait in the log for Kafka, and are sent when it is there: ${says}`],
            what,
          );
        }),
      ),
    ).then(() => {}));

  it('does not start with a file that cannot be read', async () => {
    const KAFKA_SSL_CA = '/not/there.pem';
    await assert.rejects(startTracker({ ...overTls(), KAFKA_SSL_CA }), /KAFKA_SSL_CA cannot be read: ENOENT/);
  });
});
