import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type Logger, MikroORM } from '@mikro-orm/postgresql';
import type { AbstractSqlConnection } from '@mikro-orm/sql';
import { readAuthority } from '../../../core/lib/authority.ts';
import { PLANNER_OPTIONS } from '../query/planner.ts';
import { type TransactionClient, type TransactionClientClass, transactionClient } from './client.ts';
import { PreparedNames } from './prepared-names.ts';
import type { PostgresSettings } from './settings.ts';

const INT2 = 21;
const INT4 = 23;
const INT8 = 20;
const FLOAT4 = 700;
const FLOAT8 = 701;
const BOOL = 16;

/** An int64 is a number where a number is exact. */
const toInteger = (text: string): number | bigint => {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
};
const toBoolean = (text: string) => text === 't';
const asText = (text: string) => text;

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [BOOL]: toBoolean,
  [INT2]: Number,
  [INT4]: Number,
  [INT8]: toInteger,
  [FLOAT4]: Number,
  [FLOAT8]: Number,
};

/** Numbers and booleans are what they are; anything else is the text that PostgreSQL sends. */
const types = { getTypeParser: (oid: number) => PARSERS[oid] ?? asText };

const silent: Logger = {
  log() {},
  warn() {},
  error() {},
  logQuery() {},
  setDebugMode() {},
  isEnabled: () => false,
};

export interface Orm {
  readonly orm: MikroORM;
  /** MikroORM's own, with its pool and its transactions. */
  readonly connection: AbstractSqlConnection;
  /** All that are connected or about to be. */
  readonly clients: ReadonlySet<TransactionClient>;
  /** Makes a client of the pool's kind that the pool does not know. */
  connectAlone(): TransactionClient;
}

/** As much of the driver's pool as is used here. */
interface PgPool {
  Client: TransactionClientClass;
  readonly options: object & { readonly password?: string };
}

/** MikroORM over the settings. Opens nothing yet; throws where the authority's certificate cannot be read. */
export function createOrm(settings: PostgresSettings): Orm {
  const { host, port, user, password, database, poolSize, timeoutsMs } = settings;
  const clients = new Set<TransactionClient>();
  let pool: PgPool | undefined;
  const orm = new MikroORM({
    host,
    port,
    user,
    password,
    dbName: database,
    entities: [],
    discovery: { warnWhenNoEntities: false },
    ensureDatabase: false,
    // Its messages are of statements and their values; what went wrong comes as an error.
    loggerFactory: () => silent,
    pool: { min: 0, max: poolSize, idleTimeoutMillis: 60_000 },
    driverOptions: {
      application_name: 'issue-tracker',
      ssl: sslOptions(settings),
      pipeline: true,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: timeoutsMs.acquire,
      statement_timeout: timeoutsMs.statement,
      lock_timeout: timeoutsMs.lock,
      idle_in_transaction_session_timeout: timeoutsMs.idleInTransaction,
      options: PLANNER_OPTIONS,
      types,
      onPoolCreated(created: PgPool) {
        pool = created;
        pool.Client = transactionClient(pool.Client, new PreparedNames(), timeoutsMs.connect, clients);
      },
    },
  });
  // Makes the pool, which opens no connection before one is asked for.
  const connection = orm.driver.getConnection('write');
  connection.getClient();
  return {
    orm,
    connection,
    clients,
    connectAlone: () => new pool!.Client({ ...pool!.options, password }),
  };
}

function sslOptions({ ssl, host }: PostgresSettings): object | false {
  if (ssl.mode === 'off') return false;
  const ca = ssl.caFile === undefined ? {} : { ca: readAuthority(ssl.caFile, 'POSTGRES_SSL_CA') };
  return ssl.mode === 'require'
    ? { ...ca, rejectUnauthorized: false }
    : {
        ...ca,
        rejectUnauthorized: true,
        // A name is told to the server; an address may not be, and is looked for in the certificate all the same.
        ...(isIP(host) ? {} : { servername: host }),
        checkServerIdentity: (_: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate),
      };
}
