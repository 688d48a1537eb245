import {
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { service as definition } from 'grpc-health-check';
import type { Health } from '../../core/contracts/health.ts';
import type { OpenStreams } from '../../core/lib/open-streams.ts';

type ServingStatus = 'SERVING' | 'NOT_SERVING';
interface CheckRequest {
  readonly service: string;
}
interface CheckResponse {
  readonly status: ServingStatus | 'SERVICE_UNKNOWN';
}

/** grpc.health.v1: the server as a whole, under the empty name, and each of its services say the same. */
export class HealthService {
  readonly #names: ReadonlySet<string>;
  readonly #streams: OpenStreams;
  readonly #watchers = new Set<(status: ServingStatus) => void>();
  #status: ServingStatus = 'SERVING';
  #draining = false;
  #unfollow = () => {};

  constructor(services: readonly string[], streams: OpenStreams) {
    this.#names = new Set(['', ...services]);
    this.#streams = streams;
  }

  addTo(server: Server): ServiceDefinition {
    server.addService(definition, {
      check: (call: ServerUnaryCall<CheckRequest, CheckResponse>, respond: sendUnaryData<CheckResponse>) => {
        if (this.#names.has(call.request.service)) respond(null, { status: this.#status });
        else respond({ code: status.NOT_FOUND, details: 'there is no such service' });
      },
      watch: (call: ServerWritableStream<CheckRequest, CheckResponse>) => this.#watch(call),
      list: (_call: unknown, respond: sendUnaryData<{ statuses: Record<string, CheckResponse> }>) => {
        const statuses = Object.fromEntries([...this.#names].map((name) => [name, { status: this.#status }]));
        respond(null, { statuses });
      },
    });
    return definition;
  }

  /** Says what the health plugin says, where there is one. */
  async follow(health: Health | undefined): Promise<void> {
    if (health === undefined) return;
    this.#unfollow = health.onReadyChange((ready) => this.#set(ready));
    this.#set(await health.ready());
  }

  /** Not serving, whatever happens. */
  drain(): void {
    this.#set(false);
    this.#draining = true;
  }

  close(): void {
    this.#unfollow();
  }

  #set(ready: boolean): void {
    const next = ready ? 'SERVING' : 'NOT_SERVING';
    if (this.#draining || next === this.#status) return;
    this.#status = next;
    for (const tell of this.#watchers) tell(next);
  }

  #watch(call: ServerWritableStream<CheckRequest, CheckResponse>): void {
    const closed = this.#streams.add(() =>
      call.emit('error', { code: status.UNAVAILABLE, details: 'the server is shutting down' }),
    );
    if (!this.#names.has(call.request.service)) {
      call.write({ status: 'SERVICE_UNKNOWN' });
      call.once('cancelled', closed);
      return;
    }
    const tell = (next: ServingStatus) => call.write({ status: next });
    this.#watchers.add(tell);
    call.once('cancelled', () => {
      this.#watchers.delete(tell);
      closed();
    });
    tell(this.#status);
  }
}
