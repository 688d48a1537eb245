import { token } from '../kernel/plugin.ts';

/** A listening server: where it really listens, also when its port was 0. */
export interface ListeningServer {
  /** After start; 0 before. */
  readonly port: number;
}

export const grpcServer = token<ListeningServer>('server.grpc');
export const restServer = token<ListeningServer>('server.rest');
