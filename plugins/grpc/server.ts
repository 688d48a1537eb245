import type { ServerOptions as Http2Options } from 'node:http2';
import { Server, setLogger } from '@grpc/grpc-js';
import type { Api } from '../../core/contracts/api.ts';
import type { Health } from '../../core/contracts/health.ts';
import type { ListeningServer } from '../../core/contracts/servers.ts';
import type { Logger } from '../../core/kernel/index.ts';
import { OpenStreams } from '../../core/lib/open-streams.ts';
import { bind } from './bind.ts';
import { addMethods } from './calls.ts';
import { HealthService } from './health.ts';
import { addReflection } from './reflection.ts';

export interface GrpcOptions {
  readonly host: string;
  readonly port: number;
  readonly maxMessageBytes: number;
  readonly maxMetadataBytes: number;
  readonly maxStreamsPerConnection: number;
  /** What one connection may hold of answers that its client does not take. */
  readonly maxConnectionMemoryMiB: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
  /** How long calls in hand may take once the server drains, before their connections are cut. */
  readonly drainGraceMs: number;
}

/** One gRPC server for every method of the API, with server reflection and grpc.health.v1. */
export class GrpcServer implements ListeningServer {
  port = 0;
  readonly #options: GrpcOptions;
  readonly #api: Api;
  readonly #health: Health | undefined;
  readonly #log: Logger;
  readonly #server: Server;
  readonly #streams = new OpenStreams();
  #healthService: HealthService | undefined;
  #address = '';

  constructor(options: GrpcOptions, api: Api, health: Health | undefined, log: Logger) {
    this.#options = options;
    this.#api = api;
    this.#health = health;
    this.#log = log;
    // grpc-js writes to stderr what it also reports, such as a port that is taken. This holds for the whole process.
    const quiet = (text: string) => log.debug({}, text);
    setLogger({ error: quiet, info: quiet, debug: quiet });
    this.#server = createServer(options);
  }

  /** Rejects with an Error whose code is EADDRINUSE when the port is taken. */
  async start(): Promise<void> {
    const services = [...new Set([...this.#api.methods.values()].map(({ service }) => service))];
    addMethods(this.#server, this.#api, this.#streams, this.#log);
    this.#healthService = new HealthService(services, this.#streams);
    const infrastructure = [this.#healthService.addTo(this.#server)];
    addReflection(this.#server, this.#api.descriptors, services, infrastructure, this.#streams);
    await this.#healthService.follow(this.#health);
    this.#address = await bind(this.#server, this.#options.host, this.#options.port);
    this.port = Number(this.#address.slice(this.#address.lastIndexOf(':') + 1));
    this.#log.info({ address: this.#address, services: services.length }, 'gRPC is listening');
  }

  /** Takes no new call, tells streams to resume elsewhere, and waits for the calls in hand. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#health?.draining();
    this.#healthService?.drain();
    this.#streams.end();
    const { drainGraceMs } = this.#options;
    const startedAt = performance.now();
    // `drain` cuts what is left after the grace; `tryShutdown` knows when nothing is left, and would wait for ever.
    this.#server.drain(this.#address, drainGraceMs);
    await new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (signal.aborted || performance.now() - startedAt >= drainGraceMs)
      this.#log.warn({ drainGraceMs }, 'calls were still running when the time to drain was over, and were cut');
  }

  close(): void {
    this.#healthService?.close();
    this.#server.forceShutdown();
  }
}

function createServer(options: GrpcOptions): Server {
  const server = new Server({
    // Its books cost a tenth of the time of a small call, and nobody reads them.
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': options.maxMessageBytes,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
    'grpc-node.max_session_memory': options.maxConnectionMemoryMiB,
    'grpc.keepalive_time_ms': options.keepaliveMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs,
    'grpc.max_connection_age_grace_ms': options.maxConnectionAgeGraceMs,
  });
  // grpc-js has no option for the size of metadata; without this, 64 KiB a call are taken.
  const { commonServerOptions } = server as unknown as { commonServerOptions: Http2Options };
  commonServerOptions.settings = { ...commonServerOptions.settings, maxHeaderListSize: options.maxMetadataBytes };
  return server;
}
