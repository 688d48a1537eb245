import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DomainError } from '../../core/contracts/errors.ts';

/** A file in the system's folder for such (TMPDIR), for nobody else to read; gone with its end. */
export class Spool implements AsyncDisposable {
  readonly #folder: string;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(folder: string, path: string, file: FileHandle) {
    this.#folder = folder;
    this.#path = path;
    this.#file = file;
  }

  static async open(): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'tracker-import-'));
    const path = join(folder, 'export.ndjson');
    return new Spool(folder, path, await open(path, 'wx', 0o600));
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

  /** From the beginning. */
  read(): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path, { highWaterMark: 256 * 1024 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
