import { once } from 'node:events';
import { createServer } from 'node:net';

/** Above the well-known ones, and below those that systems give to whoever asks for any, or connects. */
const [FIRST, LAST] = [10_000, 32_000];

const given = new Set<number>();

/**
 * A port of 127.0.0.1 for a server that starts only later, or again. Nobody gets it meanwhile: not this process for
 * another server, and no other by asking for any port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
