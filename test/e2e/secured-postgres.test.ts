import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type Authority, newAuthority } from '../support/services/certificates.ts';
import { type OwnPostgres, ownPostgres, postgres, type TestDatabase } from '../support/services/postgres.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { recordingLogger } from '../unit/plugin-context.ts';

/** No message may hold it. */
const PASSWORD = 'hush-of-the-tracker';
/** Who may come by TLS alone; and who may come as he likes, which is the user that makes the databases. */
const HBA = `hostssl all only_by_tls 127.0.0.1/32 scram-sha-256
host all tracker 127.0.0.1/32 scram-sha-256
`;

describe('a PostgreSQL with TLS', () => {
  let authority: Authority;
  let other: Authority;
  let server: OwnPostgres;
  let database: TestDatabase;
  let open: TestDatabase;

  before(async function () {
    onlyOn(this, 'memdb', 'it is about PostgreSQL in any case');
    [authority, other] = [newAuthority(), newAuthority()];
    const { certFile, keyFile } = authority.certificateFor('localhost');
    const files = {
      'server.crt': readFileSync(certFile, 'utf8'),
      'server.key': readFileSync(keyFile, 'utf8'),
      'pg_hba.conf': HBA,
    };
    server = await ownPostgres(this, { ssl: 'on' }, files);
    database = await server.createDatabase();
    await database.query(`create role only_by_tls login password '${PASSWORD}'`);
    await database.query(`alter database ${database.name} owner to only_by_tls`);
    await database.query('alter schema public owner to only_by_tls');
    open = await (await postgres(this)).createDatabase();
  });
  after(async () => {
    await open?.drop();
    await server?.close();
    for (const one of [authority, other]) one?.remove();
  });

  const secured = () => ({
    ...database.variables,
    POSTGRES_HOST: 'localhost',
    POSTGRES_USER: 'only_by_tls',
    POSTGRES_PASSWORD: PASSWORD,
    POSTGRES_SSL: 'verify-full',
    POSTGRES_SSL_CA: authority.caFile,
  });

  /** What the storage complained of. */
  async function withTracker(
    variables: Readonly<Record<string, string>>,
    use: (tracker: Tracker, complaints: () => string[]) => Promise<void>,
  ): Promise<void> {
    const log = recordingLogger();
    const tracker = await startTracker(variables, { log });
    try {
      await use(tracker, () =>
        log.lines.flatMap(({ message }) => (message.startsWith('not ready: ') ? [message.slice(11)] : [])),
      );
      assert.equal(JSON.stringify(log.lines).includes(PASSWORD), false);
    } finally {
      await tracker.stop();
    }
  }

  for (const [how, variables] of [
    ['a certificate that is looked at', {}],
    ['any certificate', { POSTGRES_SSL: 'require', POSTGRES_SSL_CA: '' }],
  ] as const)
    it(`keeps what the tracker writes, by ${how}, and every connection is secured`, async () => {
      await withTracker({ ...secured(), ...variables }, async (tracker, complaints) => {
        const user = { name: 'Ada', email: `ada@${how.replaceAll(' ', '-')}.example` };
        assert.equal((await tracker.http('POST', '/v1/users', user)).status, 200);
        assert.equal((await tracker.http('GET', '/readyz')).status, 200);
        const rows = await database.query(
          `select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'only_by_tls'`,
        );
        assert.deepEqual([rows, complaints()], [[{ ssl: true }], []]);
      });
    });

  const unknown =
    "the certificate of PostgreSQL is not of a known authority; set POSTGRES_SSL_CA to the authority's certificate";
  const refused =
    'PostgreSQL refused the user or the password; set POSTGRES_USER, and POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE';
  const noTls = 'PostgreSQL offers no TLS; turn it on there (ssl = on), or set POSTGRES_SSL to off';
  for (const [what, variables, says] of [
    ['an authority that did not sign', () => ({ POSTGRES_SSL_CA: other.caFile }), unknown],
    ['only the authorities of the system', () => ({ POSTGRES_SSL_CA: '' }), unknown],
    [
      'a host that is not in the certificate',
      () => ({ POSTGRES_HOST: '127.0.0.1' }),
      'the certificate of PostgreSQL is for another host; set POSTGRES_HOST to the name in it',
    ],
    ['TLS where there is none', () => open.variables, noTls],
    [
      'no TLS where it is asked for',
      () => ({ POSTGRES_SSL: 'off', POSTGRES_SSL_CA: '' }),
      'PostgreSQL refused the user; set POSTGRES_USER, let it in by pg_hba.conf, or set POSTGRES_SSL where that asks for TLS',
    ],
    ['a wrong password', () => ({ POSTGRES_PASSWORD: `not ${PASSWORD}` }), refused],
  ] as const)
    it(`is not used, and the tracker is not ready and says in one line why, with ${what}`, async () => {
      await withTracker({ ...secured(), ...variables() }, async (tracker, complaints) => {
        assert.equal((await tracker.http('GET', '/readyz')).status, 503);
        const { body } = await tracker.http('GET', '/health');
        assert.deepEqual([body.db_status, body.db_detail], ['down', says]);
        assert.deepEqual(complaints(), [says]);
      });
    });
});
