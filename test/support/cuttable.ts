import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

/** A way to a server on this machine that a test can cut. */
export interface Cuttable {
  readonly port: number;
  /** Cuts what is open, and refuses what comes. */
  cut(): void;
  /** Lets through again, to the server at another port if one is given. */
  mend(port?: number): void;
  close(): void;
}

export async function cuttable(to: number): Promise<Cuttable> {
  let target: number | undefined = to;
  let before = to;
  const open = new Set<net.Socket>();
  const server = net.createServer((near) => {
    if (target === undefined) {
      near.destroy();
      return;
    }
    const far = net.connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          open.delete(socket);
          other.destroy();
        });
      socket.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    target = undefined;
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    mend: (port = before) => {
      target = port;
      before = port;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}
