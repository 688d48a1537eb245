import { type Server, ServerCredentials } from '@grpc/grpc-js';

const SYSTEM_CODE = /\b(E[A-Z]{3,})\b/;

/**
 * Listens, and returns the address with the port that was bound. An Error says host, port and what to do, and carries the system's code ('EADDRINUSE',
 * 'EACCES' ...), which grpc-js only has in its text. Where there is no IPv6, '::' becomes '0.0.0.0'.
 */
export async function bind(server: Server, host: string, port: number): Promise<string> {
  try {
    return await listen(server, host, port);
  } catch (cause) {
    const code = SYSTEM_CODE.exec(String(cause))?.[1];
    if (host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) return bind(server, '0.0.0.0', port);
    throw Object.assign(new Error(explain(code, host, port, cause), { cause }), code === undefined ? {} : { code });
  }
}

function listen(server: Server, host: string, port: number): Promise<string> {
  const at = (bound: number) => (host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`);
  return new Promise((resolve, reject) =>
    server.bindAsync(at(port), ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(at(bound)),
    ),
  );
}

function explain(code: string | undefined, host: string, port: number, cause: unknown): string {
  const place = `gRPC cannot listen on port ${port} of ${host}`;
  if (code === 'EADDRINUSE') return `${place}: the port is taken (EADDRINUSE); stop what uses it, or choose another`;
  if (code === 'EACCES') return `${place}: not allowed (EACCES); choose a port above 1023`;
  return `${place}: ${cause instanceof Error ? cause.message : String(cause)}`;
}
