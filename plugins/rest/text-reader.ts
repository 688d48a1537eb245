import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';

/** Bytes that are valid, or may be, in a form that only protobuf-es knows how to read. */
export class Unusual extends Error {}

export function tagOf(number: number, wireType: WireType): number {
  return (number << 3) | wireType;
}

/** What JSON.stringify would escape, and where UTF-8 has more than one byte. */
const isPlain = (byte: number) => byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** From about this length on, in bytes, native code is faster. */
const LONG = 200;

/** Reads the wire format, and its strings as JSON. */
export class TextReader extends BinaryReader {
  /** How many messages inside each other are being read. */
  depth = 0;
  /** The last string that was noted. */
  noted: string | undefined;
  readonly #bytes: Buffer;
  /** All of the bytes, a character each: parts of it cost next to nothing. */
  readonly #characters: string;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#characters = this.#bytes.toString('latin1');
  }

  /** Field number and wire type in one. */
  wireTag(): number {
    const first = this.#bytes[this.pos]!;
    if (first < 0x80) {
      this.pos++;
      return first;
    }
    const [field, wireType] = this.tag();
    return tagOf(field, wireType);
  }

  /** Exact up to 2 ** 53. */
  int64AsNumber(): number {
    const start = this.pos;
    let value = 0;
    for (let at = start, factor = 1; at < start + 7; at++, factor *= 0x80) {
      const byte = this.#bytes[at]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.pos = at + 1;
        return value;
      }
    }
    return Number(this.int64());
  }

  /** The end of the message or packed list whose length comes next. */
  end(): number {
    const length = this.uint32();
    return this.within(this.pos + length);
  }

  /** A string in quotes, as JSON.stringify writes it. */
  jsonString(): string {
    const length = this.uint32();
    const start = this.pos;
    const end = this.within(start + length);
    this.pos = end;
    if (length > LONG) return this.#stringify(start, end);
    const bytes = this.#bytes;
    for (let at = start; at < end; at++) if (!isPlain(bytes[at]!)) return this.#stringify(start, end);
    return `"${this.#characters.substring(start, end)}"`;
  }

  /** The bytes up to there, which are read by that. */
  take(end: number): Buffer {
    const taken = this.#bytes.subarray(this.pos, end);
    this.pos = end;
    return taken;
  }

  within(end: number): number {
    if (end > this.len) throw new Unusual();
    return end;
  }

  #stringify(start: number, end: number): string {
    const text = this.#bytes.toString('utf8', start, end);
    // Stands for what is no UTF-8, or for itself.
    if (text.includes('\ufffd')) throw new Unusual();
    return JSON.stringify(text);
  }
}
