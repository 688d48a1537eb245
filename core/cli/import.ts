import { open } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from '@grpc/grpc-js';
import { AdminServiceService as admin } from '../../proto/gen/admin/v1/admin.ts';
import { CommandError, withServer } from './admin-client.ts';
import { mebibytes, Progress } from './progress.ts';

const PART_BYTES = 256 * 1024;

/** Loads an export, from a file or from stdin for '-', into a running tracker that is empty. Throws CommandError. */
export async function importFrom(file: string, address: string, signal: AbortSignal): Promise<void> {
  try {
    if (file === '-') return await upload(process.stdin, undefined, address, signal);
    await using handle = await open(file);
    const { size } = await handle.stat();
    await upload(handle.createReadStream({ highWaterMark: PART_BYTES, autoClose: false }), size, address, signal);
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

async function upload(source: Readable, size: number | undefined, address: string, signal: AbortSignal): Promise<void> {
  const progress = new Progress();
  let bytes = 0;
  let unreadable: unknown;
  const text = () => {
    if (bytes === size) return `sent all ${mebibytes(bytes)}; the server stores them`;
    return `sent ${mebibytes(bytes)}${size ? `, ${Math.floor((100 * bytes) / size)} %` : ''}`;
  };
  async function* parts(): AsyncGenerator<{ readonly data: Buffer }, void, undefined> {
    try {
      for await (const data of source) {
        bytes += data.length;
        progress.show(text);
        yield { data };
      }
    } catch (error) {
      unreadable = error;
      throw error;
    }
  }
  try {
    const rows = await withServer(address, (client) => send(client, parts(), signal));
    progress.end(`imported ${rows} rows, ${mebibytes(bytes)}`);
  } catch (error) {
    progress.end();
    throw unreadable ?? error;
  } finally {
    source.destroy();
  }
}

function send(client: Client, parts: AsyncIterable<object>, signal: AbortSignal): Promise<bigint> {
  const { path, requestSerialize, responseDeserialize } = admin.import;
  return new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, answer) =>
      error ? reject(error) : resolve(answer!.rows),
    );
    signal.addEventListener('abort', () => call.cancel());
    // What the server says counts: it may answer before all is sent.
    pipeline(Readable.from(parts), call as unknown as Writable).catch(() => call.cancel());
  });
}
