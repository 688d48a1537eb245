import { type Policy, type ServiceContribution, service } from '../../core/contracts/api.ts';
import type { Cache } from '../../core/contracts/cache.ts';
import type { Store } from '../../core/contracts/store.ts';
import { descriptors } from '../../proto/descriptors.ts';
import { AdminServiceService, type ImportRequest } from '../../proto/gen/admin/v1/admin.ts';
import { exportStore } from './export.ts';
import { importInto } from './import.ts';

/** While callers have no identity, being on the server's machine is what tells an operator. */
const operator = { access: 'admin', from: 'loopback' } as const satisfies Partial<Policy>;

export function adminApi(store: Store, cache: Cache | undefined, timeoutMs: number): ServiceContribution {
  return service({
    definition: AdminServiceService,
    descriptors,
    policy: {
      export: { ...operator, effect: 'read' },
      import: { ...operator, effect: 'write' },
      // What is kept stays as it is, and it may be called again.
      flushCache: { ...operator, effect: 'read' },
    },
    handlers: {
      async *export(_request, { cancellation: signal }) {
        for await (const { data, rows } of exportStore(store, { signal, timeoutMs }))
          yield { data: data as Buffer, rows: BigInt(rows) };
      },
      async import(requests, { signal, log }) {
        const rows = await importInto(store, dataOf(requests), { signal, timeoutMs });
        log.info({ rows }, 'imported');
        return { rows: BigInt(rows) };
      },
      async flushCache(_request, { log }) {
        await cache?.clear();
        log.info({}, 'the cache was emptied');
        return {};
      },
    },
  });
}

async function* dataOf(requests: AsyncIterable<ImportRequest>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { data } of requests) yield data;
}
