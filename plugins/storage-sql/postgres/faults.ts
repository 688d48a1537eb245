import { DatabaseError } from '../database.ts';
import { SchemaError } from '../schema/schema-error.ts';
import { serverError } from './errors.ts';
import { SHARED_SESSION } from './lease-session.ts';

/** What is wrong, and what to do about it, in words for the operator: no address, no name, no secret. */
export interface Fault {
  readonly what: string;
  readonly todo?: string;
}

/** By SQLSTATE. */
const REFUSALS: Readonly<Record<string, Fault>> = {
  // It says the same of a user that it does not know.
  '28P01': {
    what: 'PostgreSQL refused the user or the password',
    todo: 'set POSTGRES_USER, and POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE',
  },
  '28000': {
    what: 'PostgreSQL refused the user',
    todo: 'set POSTGRES_USER, let it in by pg_hba.conf, or set POSTGRES_SSL where that asks for TLS',
  },
  // What PgBouncer says of anything.
  '08P01': {
    what: 'PostgreSQL, or a pooler in front of it, refused the connection',
    todo: "look at its log; PgBouncer's ignore_startup_parameters stand in docs/guides/databases.md",
  },
  '3D000': { what: 'the database does not exist', todo: 'create it, or set POSTGRES_DB' },
  '42501': {
    what: 'the user may not do this in the database',
    todo: 'let it own the tables, and grant it CREATE on their schema',
  },
  '53300': {
    what: 'PostgreSQL has no connection to spare',
    todo: 'set POSTGRES_POOL_SIZE lower, or its max_connections higher',
  },
  '57P03': { what: 'PostgreSQL is starting or stopping' },
  '57P01': { what: 'PostgreSQL is stopping' },
  '25006': { what: 'PostgreSQL is read only', todo: 'connect to the primary server' },
  '53100': { what: 'the disk of PostgreSQL is full' },
};

/** By the code of an error of the network or of TLS. */
const UNREACHABLE: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: {
    what: 'PostgreSQL cannot be reached: nothing listens there',
    todo: 'start it, or set POSTGRES_HOST and POSTGRES_PORT',
  },
  ENOENT: {
    what: 'PostgreSQL cannot be reached: nothing listens there',
    todo: 'start it, or set POSTGRES_HOST and POSTGRES_PORT',
  },
  ENOTFOUND: { what: 'PostgreSQL cannot be reached: its host is not known', todo: 'set POSTGRES_HOST' },
  EAI_AGAIN: { what: 'PostgreSQL cannot be reached: its host cannot be looked up now', todo: 'set POSTGRES_HOST' },
  ETIMEDOUT: { what: 'PostgreSQL cannot be reached: it does not answer' },
  EHOSTUNREACH: { what: 'PostgreSQL cannot be reached: there is no way to its host' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    what: 'the certificate of PostgreSQL is for another host',
    todo: 'set POSTGRES_HOST to the name in it',
  },
  CERT_HAS_EXPIRED: { what: 'the certificate of PostgreSQL has expired' },
};
const UNTRUSTED: Fault = {
  what: 'the certificate of PostgreSQL is not of a known authority',
  todo: "set POSTGRES_SSL_CA to the authority's certificate",
};
const CERTIFICATE = /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF))/;

/** What the driver says without a code. */
const SAYINGS: readonly (readonly [pattern: RegExp, fault: Fault])[] = [
  [
    /password must be/,
    { what: 'PostgreSQL asks for a password', todo: 'set POSTGRES_PASSWORD, or POSTGRES_PASSWORD_FILE' },
  ],
  [
    /does not support SSL/,
    { what: 'PostgreSQL offers no TLS', todo: 'turn it on there (ssl = on), or set POSTGRES_SSL to off' },
  ],
  [
    new RegExp(SHARED_SESSION),
    {
      what: 'a pooler in front of PostgreSQL gives each transaction another connection',
      todo: "set pool_mode of PgBouncer to session, or POSTGRES_HOST and POSTGRES_PORT to PostgreSQL's own",
    },
  ],
  [/timeout/, { what: 'PostgreSQL cannot be reached: it does not answer' }],
];

/** The fault behind an error of this plugin, of the driver or of the schema. */
export function faultOf(error: unknown): Fault {
  if (error instanceof SchemaError) return { what: error.message, ...remedyOf(error.cause) };
  const cause = rootOf(error);
  const server = serverError(cause);
  if (server)
    return (
      REFUSALS[server.code] ?? {
        what: error instanceof DatabaseError ? error.message : `PostgreSQL answered ${server.code}`,
      }
    );
  const code = codeOf(cause);
  const known = UNREACHABLE[code] ?? (CERTIFICATE.test(code) ? UNTRUSTED : undefined);
  if (known) return known;
  const text = cause instanceof Error ? cause.message : '';
  const said = SAYINGS.find(([pattern]) => pattern.test(text))?.[1];
  return said ?? { what: code === '' ? 'PostgreSQL cannot be reached' : `PostgreSQL cannot be reached (${code})` };
}

/** What the driver threw, behind what this plugin made of it. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof DatabaseError && root.cause !== undefined) root = root.cause;
  return root;
}

/** What to do where the server refused a change of the schema. */
function remedyOf(cause: unknown): Pick<Fault, 'todo'> {
  const server = cause instanceof DatabaseError ? serverError(cause.cause) : undefined;
  const todo = server && REFUSALS[server.code]?.todo;
  return todo === undefined ? {} : { todo };
}

/** Of a host with several addresses there is an error for each. */
function codeOf(error: unknown): string {
  const each = error instanceof AggregateError ? error.errors[0] : error;
  const code = (each as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

export const describe = ({ what, todo }: Fault): string => (todo === undefined ? what : `${what}; ${todo}`);
