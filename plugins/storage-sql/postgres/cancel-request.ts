import { connect } from 'node:net';
import type { PgClient } from './client.ts';

const CANCEL_REQUEST = 80_877_102;
/** How long the server may take to accept it, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Asks the server to cancel what runs on the client's connection: a message on a connection of its own, without an answer
 * (PostgreSQL's protocol, "Canceling Requests in Progress"). A backend that waits for a lock does not notice that its
 * client is gone, and would keep the locks that it has. Best effort: without it the server's timeouts end the statement.
 */
export function requestCancel({ host, port, processID, secretKey }: PgClient): void {
  if (processID === null || secretKey === null) return;
  const message = Buffer.alloc(16);
  message.writeInt32BE(message.length, 0);
  message.writeInt32BE(CANCEL_REQUEST, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.setTimeout(PATIENCE, () => socket.destroy());
  socket.on('error', () => {});
  socket.end(message);
}
