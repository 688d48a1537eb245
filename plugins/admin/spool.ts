import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DomainError } from '../../core/contracts/errors.ts';

const PART_BYTES = 256 * 1024;

/** A file in the system's folder for such (TMPDIR), for nobody else to read; gone with its end, also that of the process. */
export class Spool implements AsyncDisposable {
  readonly #folder: string;
  readonly #file: FileHandle;

  private constructor(folder: string, file: FileHandle) {
    this.#folder = folder;
    this.#file = file;
  }

  static async open(): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'tracker-import-'));
    const spool = new Spool(folder, await open(join(folder, 'export.ndjson'), 'wx+', 0o600));
    // An open file needs no name, and one without is gone when the process is. Windows keeps it until it is closed.
    await spool.#remove().catch(() => {});
    return spool;
  }

  /** The parts, each once it is written. RESOURCE_EXHAUSTED where the disk is full. */
  async *filledBy(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const part of parts) {
      try {
        await this.#file.writeFile(part);
      } catch (cause) {
        if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
        const message = 'the folder for temporary files (TMPDIR) has no room for the file; nothing was stored';
        throw new DomainError('RESOURCE_EXHAUSTED', 'NO_ROOM', message, { cause });
      }
      yield part;
    }
  }

  /** From the beginning, as often as it is asked: a stream of the file would close it when its reader leaves. */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let from = 0; ; ) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(PART_BYTES), 0, PART_BYTES, from);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      from += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await this.#remove();
  }

  #remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true });
  }
}
