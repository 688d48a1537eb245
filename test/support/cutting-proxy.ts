import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What becomes of bytes that a client sends: they pass, or its connection is cut before or after the server has them. */
export type Fate = 'pass' | 'cut before' | 'cut after';

/** Stands before a server on 127.0.0.1 and cuts connections when it is told to. */
export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Asked for all that a client sends. */
  fate: (bytes: Buffer) => Fate = () => 'pass';

  static async start(targetPort: number): Promise<CuttingProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CuttingProxy(server, targetPort);
  }

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (client) => this.#join(client, connect(targetPort, '127.0.0.1')));
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #join(client: Socket, server: Socket): void {
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket.setNoDelay());
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.end();
      });
    }
    server.on('data', (bytes) => client.writable && client.write(bytes));
    client.on('data', (bytes) => {
      const fate = this.fate(bytes);
      // The server reads to the end what it has, and then finds the connection closed in good order.
      if (fate === 'pass') server.write(bytes);
      else if (fate === 'cut after') server.end(bytes);
      else server.end();
      if (fate !== 'pass') client.destroy();
    });
  }
}
