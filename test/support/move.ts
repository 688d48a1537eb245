import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import type { ReadTransaction, TableReader } from '../../core/contracts/store.ts';
import type { AnyTable } from '../../core/contracts/tables.ts';
import { AdminServiceService as admin } from '../../proto/gen/admin/v1/admin.ts';

const PART_BYTES = 64 * 1024;

/** The whole store of a tracker, as a file. Rejects with the ServiceError. */
export async function exportOf({ grpcPort }: { readonly grpcPort: number }, host = '127.0.0.1'): Promise<Buffer> {
  return withClient(`${host}:${grpcPort}`, async (client) => {
    const { path, requestSerialize, responseDeserialize } = admin.export;
    const parts: Buffer[] = [];
    for await (const { data } of client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {}))
      parts.push(data);
    return Buffer.concat(parts);
  });
}

/** Imports a file that is sent in parts, and returns how many rows were stored. Rejects with the ServiceError. */
export async function importInto(
  { grpcPort }: { readonly grpcPort: number },
  file: Uint8Array,
  { partBytes = PART_BYTES, host = '127.0.0.1' }: { readonly partBytes?: number; readonly host?: string } = {},
): Promise<number> {
  return withClient(`${host}:${grpcPort}`, (client) => {
    const { path, requestSerialize, responseDeserialize } = admin.import;
    return new Promise<number>((resolve, reject) => {
      const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, answer) =>
        error ? reject(error) : resolve(Number(answer!.rows)),
      );
      for (let from = 0; from < file.length; from += partBytes)
        call.write({ data: Buffer.from(file.subarray(from, from + partBytes)) });
      call.end();
    });
  });
}

/** The ServiceError that an attempt ends with. */
export async function failureOf(attempt: Promise<unknown>): Promise<ServiceError> {
  try {
    await attempt;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('expected the call to fail');
}

async function withClient<T>(address: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(address, credentials.createInsecure());
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** The transaction, in which each page is followed by something else. */
export function afterEachPage(tx: ReadTransaction, then: () => Promise<void>): ReadTransaction {
  const table = <T extends AnyTable>(of: T): TableReader<T> => {
    const reader = tx.table(of);
    return {
      get: (key) => reader.get(key),
      getMany: (keys) => reader.getMany(keys),
      count: (query) => reader.count(query),
      countBy: (groupBy, query) => reader.countBy(groupBy, query),
      async find(query) {
        const page = await reader.find(query);
        await then();
        return page;
      },
    };
  };
  return { now: tx.now, table };
}
