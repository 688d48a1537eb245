import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';

/** What went wrong, as the one line that the command prints. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** Calls a running tracker at 'host:port', and turns what fails into a CommandError. */
export async function withServer<T>(address: string, work: (client: Client) => Promise<T>): Promise<T> {
  // A server answers only callers on its own machine, so no proxy is on the way.
  const client = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  try {
    return await work(client);
  } catch (error) {
    throw new CommandError(problemOf(error as ServiceError, address));
  } finally {
    client.close();
  }
}

function problemOf(error: ServiceError, address: string): string {
  const { code, details = error.message, metadata } = error;
  if (code === status.UNAVAILABLE && !metadata?.get('grpc-status-details-bin').length)
    return `no tracker answers at ${address}; start it, or say where it is by --to host:port`;
  if (code === status.UNIMPLEMENTED) return `the tracker at ${address} does not offer this (ADMIN_API=false)`;
  return details.replaceAll(/\s+/g, ' ');
}
