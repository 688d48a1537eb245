import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { AdminServiceService as admin } from '../../proto/gen/admin/v1/admin.ts';
import { CommandError, withServer } from './admin-client.ts';
import { mebibytes, Progress } from './progress.ts';

export interface ExportTarget {
  /** '-' is stdout. */
  readonly file: string;
  /** Whether a file that is there is replaced. */
  readonly force: boolean;
}

/**
 * Writes the whole store of a running tracker to a file, or to stdout. The file has its name only when all of it is there.
 * Throws CommandError.
 */
export async function exportTo(target: ExportTarget, address: string, signal: AbortSignal): Promise<void> {
  const { file } = target;
  if (file === '-') {
    // Whoever reads it may go away; the write then says so.
    process.stdout.on('error', () => {});
    return download(address, signal, writeToStdout);
  }
  const path = await placeOf(target);
  const unfinished = `${path}.${process.pid}.part`;
  try {
    // Everything that the tracker knows is in it, in clear.
    await using handle = await open(unfinished, 'wx', 0o600);
    await download(address, signal, (data) => handle.writeFile(data));
    await handle.sync();
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error instanceof CommandError ? error : new CommandError(`cannot write ${file}: ${(error as Error).message}`);
  }
}

/** The path that the file gets. What is there and may not be replaced is refused before anything is asked of the server. */
async function placeOf({ file, force }: ExportTarget): Promise<string> {
  const there = await stat(file).catch(() => undefined);
  if (!there) return file;
  if (!there.isFile())
    throw new CommandError(
      `${file} is not a file; for a pipe or a device leave it out, and what is written goes to stdout`,
    );
  if (!force)
    throw new CommandError(`${file} is there already; remove it, choose another name, or replace it by --force`);
  // A link stays one.
  return realpath(file);
}

async function download(
  address: string,
  signal: AbortSignal,
  write: (data: Uint8Array) => Promise<void>,
): Promise<void> {
  const progress = new Progress();
  let bytes = 0;
  let done = 0n;
  const text = () => `exported ${done} rows, ${mebibytes(bytes)}`;
  let failed: unknown;
  try {
    await withServer(address, async (client) => {
      const { path, requestSerialize, responseDeserialize } = admin.export;
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
      signal.addEventListener('abort', () => call.cancel());
      for await (const { data, rows } of call) {
        await write(data).catch((error) => {
          failed = error;
          call.cancel();
          throw error;
        });
        bytes += data.length;
        done = rows;
        progress.show(text);
      }
    });
  } catch (error) {
    progress.end();
    throw failed ?? error;
  }
  progress.end(text());
}

/** Settles when the data are out of the process, which ends right behind the last of them. */
function writeToStdout(data: Uint8Array): Promise<void> {
  const refused = (error: Error) => new CommandError(`cannot write to stdout: ${error.message}`);
  return new Promise((resolve, reject) =>
    process.stdout.write(data, (error) => (error ? reject(refused(error)) : resolve())),
  );
}
