import { isIP } from 'node:net';
import { createClient } from '@keyv/redis';
import { readAuthority } from '../../core/lib/authority.ts';
import { parseAddress, type RedisSettings } from './settings.ts';

export type Client = ReturnType<typeof createClient>;

/** Milliseconds of silence after which a connection counts as lost, and what an attempt to make one may take. */
const SILENCE_MS = 1000;
const CONNECT_MS = 500;

export interface Watch {
  /** May be called again without the other between. */
  connected(): void;
  lost(error: unknown): void;
}

/**
 * A client whose connection, once it is told to connect, is made again and again until it is destroyed and the signal
 * aborted. Commands that find none fail at once instead of waiting, and a server that stopped answering is noticed by a
 * ping. Throws where the file of the authority's certificate cannot be read.
 */
export function newClient(settings: RedisSettings, watch: Watch, signal: AbortSignal): Client {
  const address = parseAddress(settings.address);
  if (typeof address === 'string') throw new Error(address);
  const { host, port, tls } = address;
  const client: Client = createClient({
    socket: {
      host,
      port,
      // The driver forgets a socket that is still being connected.
      signal,
      ...(tls && { tls, ...tlsOptions(host, settings) }),
      connectTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      reconnectStrategy: (retries) => Math.min(100 * 2 ** Math.min(retries, 5), 1000) * (0.75 + Math.random() / 2),
    },
    ...(settings.username && { username: settings.username }),
    ...(settings.password && { password: settings.password }),
    database: settings.database,
    disableOfflineQueue: true,
    pingInterval: SILENCE_MS / 2,
    name: 'issue-tracker',
  });
  client.on('ready', () => watch.connected());
  client.on('error', (error: unknown) => watch.lost(error));
  return client;
}

function tlsOptions(host: string, { caFile }: RedisSettings) {
  return {
    // A name is told to the server; an address may not be, and is looked for in the certificate all the same.
    ...(isIP(host) === 0 && { servername: host }),
    ...(caFile && { ca: readAuthority(caFile, 'REDIS_SSL_CA') }),
  };
}

/** Lets go of a connection that has become useless, and makes another. */
export function connectAnew(client: Client): void {
  client.destroy();
  connect(client);
}

/** It goes on for as long as the client is open; each failure is told to the watch. */
export function connect(client: Client): void {
  client.connect().catch(() => {});
}
