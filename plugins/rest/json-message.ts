import type { DescMessage, Registry } from '@bufbuild/protobuf';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { hasOwnJsonForm } from './fields.ts';
import { planField, type Slots, writeEntries } from './json-fields.ts';
import { scalarOf } from './json-scalars.ts';
import { TIMESTAMP, writeTimestamp } from './json-timestamp.ts';
import { type TextReader, tagOf, Unusual } from './text-reader.ts';

/** Reads what lies between the reader's place and the end, and writes it as JSON. Throws for what is unusual. */
export type MessageWriter = (reader: TextReader, end: number) => string;

/** Messages inside each other, far from where protobuf-es gives up. */
const MAX_DEPTH = 64;
const MAX_DEPTH_OF_ALL = 100;
/** google.protobuf.FeatureSet.FieldPresence.LEGACY_REQUIRED. */
const LEGACY_REQUIRED = 3;

/** Writers for messages as proto3 JSON, compiled from their descriptors when they are first needed. */
export class MessageWriters {
  readonly #registry: Registry;
  readonly #writers = new Map<DescMessage, MessageWriter>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** With `noted`, the properties that lead to a string, the reader notes that string. */
  of(message: DescMessage, noted?: readonly string[]): MessageWriter {
    if (message.typeName === TIMESTAMP) return writeTimestamp;
    if (isWrapperDesc(message)) return wrapperWriter(message);
    if (needsReflection(message)) return noted === undefined ? this.#reflecting(message) : unusual;
    const known = this.#writers.get(message);
    if (known !== undefined && noted === undefined) return known;
    let compiled: MessageWriter | undefined;
    // A message may hold itself, so its fields are looked at later.
    const writer: MessageWriter = (reader, end) => {
      compiled ??= this.#compile(message, noted);
      return compiled(reader, end);
    };
    if (noted === undefined) this.#writers.set(message, writer);
    return writer;
  }

  #reflecting(message: DescMessage): MessageWriter {
    const options = { registry: this.#registry, alwaysEmitImplicit: true };
    return (reader, end) => {
      const recursionLimit = MAX_DEPTH_OF_ALL - reader.depth;
      return JSON.stringify(toJson(message, fromBinary(message, reader.take(end), { recursionLimit }), options));
    };
  }

  #compile(message: DescMessage, noted: readonly string[] | undefined): MessageWriter {
    const fields = message.fields.toSorted((a, b) => a.number - b.number);
    const plans = fields.map((field, slot) => {
      const others = (field.oneof?.fields ?? []).filter((other) => other !== field);
      const place = {
        slot,
        siblings: others.map((other) => fields.indexOf(other)),
        noted: noted?.[0] === field.localName ? noted.slice(1) : undefined,
      };
      return planField(field, place, this);
    });
    const readers = new Map(plans.flatMap((plan) => plan.readers));
    const absent = plans.map((plan) => plan.absent);
    const closes = plans.map((plan) => plan.close);
    // No field has the number 0.
    const numbers = new Set([0, ...fields.map(({ number }) => number)]);
    return (reader, end) => {
      if (++reader.depth > MAX_DEPTH) throw new Unusual();
      const slots: Slots = absent.slice();
      while (reader.pos < end) {
        const tag = reader.wireTag();
        const read = readers.get(tag);
        if (read !== undefined) read(reader, slots);
        // protobuf-es does not mind the wire type of a field.
        else if (numbers.has(tag >>> 3)) throw new Unusual();
        else reader.skip(tag & 7, tag >>> 3, MAX_DEPTH_OF_ALL - reader.depth);
      }
      if (reader.pos !== end) throw new Unusual();
      reader.depth--;
      let json = '';
      for (let slot = 0; slot < slots.length; slot++) {
        const value = slots[slot]!;
        if (value === '') continue;
        const open = typeof value === 'string' ? value : absent[slot] + writeEntries(value);
        json = json === '' ? open + closes[slot] : `${json},${open}${closes[slot]}`;
      }
      return `{${json}}`;
    };
  }
}

function wrapperWriter(message: DescMessage): MessageWriter {
  const field = message.fields[0]!;
  const { wireType, read, zero } = scalarOf(field)!;
  const wanted = tagOf(field.number, wireType);
  return (reader, end) => {
    let value = zero;
    while (reader.pos < end) {
      if (reader.wireTag() !== wanted) throw new Unusual();
      value = read(reader);
    }
    if (reader.pos !== end) throw new Unusual();
    return value;
  };
}

const unusual: MessageWriter = () => {
  throw new Unusual();
};

/** Types with a JSON form of their own that is rare in answers, and what only proto2 and editions have. */
function needsReflection(message: DescMessage): boolean {
  return (
    hasOwnJsonForm(message) ||
    message.proto.extensionRange.length > 0 ||
    message.fields.some(
      (field) =>
        field.enum?.open === false ||
        field.presence === LEGACY_REQUIRED ||
        ('delimitedEncoding' in field && field.delimitedEncoding) ||
        // An object would put such a name first.
        /^\d+$/.test(field.jsonName),
    )
  );
}
