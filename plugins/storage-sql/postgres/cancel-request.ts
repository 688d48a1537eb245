import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { PgClient } from './client.ts';

const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;
/** How long the server may take to accept it, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Asks the server to cancel what runs on the client's connection: a message on a connection of its own, without an answer
 * (PostgreSQL's protocol, "Canceling Requests in Progress"). A backend that waits for a lock does not notice that its
 * client is gone, and would keep the locks that it has. It goes by TLS where the client does: what stands between may take
 * nothing else, and it holds a secret. Best effort: without it the server's timeouts end the statement.
 */
export function requestCancel({ connection, host, port, processID, secretKey }: PgClient): void {
  if (processID === null || secretKey === null) return;
  const message = messageOf(CANCEL_REQUEST, processID, secretKey);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.setTimeout(PATIENCE, () => socket.destroy());
  socket.on('error', () => {});
  const { ssl } = connection;
  if (!ssl) {
    sendAndWait(socket, message);
    return;
  }
  socket.write(messageOf(SSL_REQUEST));
  socket.once('data', (answer) => {
    if (answer.toString() !== 'S') return void socket.destroy();
    const secured = connectTls({ ...ssl, ...(isIP(host) ? {} : { servername: host }), socket });
    secured.on('error', () => socket.destroy());
    sendAndWait(secured, message);
  });
}

/** It is the server that ends the connection, when it is done; PgBouncer 1.18 does not survive a client that does before. */
function sendAndWait(socket: Socket, message: Buffer): void {
  socket.write(message);
  socket.resume();
}

/** Its length, and then these. */
function messageOf(...words: readonly number[]): Buffer {
  const message = Buffer.alloc(4 * (words.length + 1));
  for (const [index, word] of [message.length, ...words].entries()) message.writeInt32BE(word, 4 * index);
  return message;
}
