import { badLine } from './errors.ts';

const NEWLINE = 0x0a;

/** A longer line is none of an export: what a row holds came in a message of a few MiB. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Cuts a file that comes in parts into lines, without their ends. Holds one line, or one part, at a time. */
export class Lines {
  /** How many lines have been handed out. */
  count = 0;
  #begun: Buffer[] = [];
  #length = 0;

  *next(part: Uint8Array): Generator<Buffer, void, undefined> {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      this.#keep(bytes.subarray(from, end));
      from = end + 1;
      const line = this.#begun.length === 1 ? this.#begun[0]! : Buffer.concat(this.#begun);
      this.#begun = [];
      this.#length = 0;
      this.count++;
      yield line;
    }
    if (from < bytes.length) this.#keep(bytes.subarray(from));
  }

  /** Whether no byte has come behind the last line. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Throws where the last line has no end. */
  end(): void {
    if (this.#length > 0) throw badLine(this.count + 1, 'is cut off');
  }

  #keep(bytes: Buffer): void {
    this.#begun.push(bytes);
    this.#length += bytes.length;
    if (this.#length > MAX_LINE_BYTES)
      throw badLine(this.count + 1, `is longer than ${MAX_LINE_BYTES / 1024 / 1024} MiB, as no line of an export is`);
  }
}
