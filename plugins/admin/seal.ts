import { crc32 } from 'node:zlib';

/** Of the check that a line ends with: eight hexadecimal digits in quotes, and the bracket that closes the line. */
const CHECK = 8;
const TAIL = CHECK + 2;

/**
 * Gives each line of a file a check of all that stands before it, those of the lines above included. So the first line
 * that is damaged, missing, doubled or in another place is known by its number.
 */
export class Seal {
  #crc = 0;

  /** `json` is an array or an object that is not empty. Returns the line with its check, and its end. */
  close(json: string): Buffer {
    const head = Buffer.from(`${json.slice(0, -1)},${json.endsWith('}') ? '"crc":' : ''}"`);
    return Buffer.concat([head, Buffer.from(`${this.#next(head)}"${json.at(-1)}\n`)]);
  }

  /** Whether the line, without its end, is the one that followed. */
  fits(line: Buffer): boolean {
    if (line.length <= TAIL) return false;
    const check = line.toString('latin1', line.length - TAIL, line.length - 2);
    return this.#next(line.subarray(0, line.length - TAIL)) === check;
  }

  #next(head: Buffer): string {
    this.#crc = crc32(head, this.#crc);
    return this.#crc.toString(16).padStart(CHECK, '0');
  }
}
