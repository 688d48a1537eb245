import type { DescField } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { IMPLICIT } from './fields.ts';
import type { MessageWriters } from './json-message.ts';
import { keyScalar, scalarOf } from './json-scalars.ts';
import { type TextReader, tagOf, Unusual } from './text-reader.ts';

/** The entries of a map in JSON, by their keys: in the order of an object's properties, as in protobuf-es. */
export type Entries = Record<string, string>;
/** What is known so far of each field, in the order of their numbers; '' for one that is absent. */
export type Slots = (string | Entries)[];
/** Reads a field behind its tag into its slot. */
export type FieldReader = (reader: TextReader, slots: Slots) => void;

/** How a field gets into the JSON of its message. */
export interface FieldPlan {
  /** The slot where the field does not occur. */
  readonly absent: string;
  /** What stands behind the last item. */
  readonly close: string;
  /** By their tags; a tag that is not among them is unusual. */
  readonly readers: readonly (readonly [tag: number, reader: FieldReader])[];
}

/** A field and its surroundings. */
export interface FieldPlace {
  readonly slot: number;
  /** The slots of the other fields of its oneof. */
  readonly siblings: readonly number[];
  /** The properties that lead on to the string that is noted; undefined where the field is not on the way. */
  readonly noted: readonly string[] | undefined;
}

const { LengthDelimited } = WireType;

export function planField(field: DescField, place: FieldPlace, messages: MessageWriters): FieldPlan {
  const name = `${JSON.stringify(field.jsonName)}:`;
  switch (field.fieldKind) {
    case 'list':
      return planList(field, place.slot, `${name}[`, messages);
    case 'map':
      return planMap(field, place.slot, `${name}{`, messages);
    default:
      return planSingular(field, place, name, messages);
  }
}

function planSingular(
  field: DescField,
  { slot, siblings, noted }: FieldPlace,
  name: string,
  messages: MessageWriters,
): FieldPlan {
  const set = (slots: Slots, json: string) => {
    for (const other of siblings) slots[other] = '';
    slots[slot] = name + json;
  };
  const scalar = scalarOf(field);
  if (scalar === undefined) {
    const write = messages.of(field.message!, noted);
    const read: FieldReader = (reader, slots) => {
      // Its parts would have to be merged.
      if (slots[slot] !== '') throw new Unusual();
      set(slots, write(reader, reader.end()));
    };
    return { absent: '', close: '', readers: [[tagOf(field.number, LengthDelimited), read]] };
  }
  const readNoted: FieldReader = (reader, slots) => {
    const json = reader.jsonString();
    reader.noted = JSON.parse(json) as string;
    set(slots, json);
  };
  const read: FieldReader = (reader, slots) => set(slots, scalar.read(reader));
  return {
    absent: field.presence === IMPLICIT ? name + scalar.zero : '',
    close: '',
    readers: [[tagOf(field.number, scalar.wireType), noted === undefined ? read : readNoted]],
  };
}

function planList(
  field: DescField & { fieldKind: 'list' },
  slot: number,
  open: string,
  messages: MessageWriters,
): FieldPlan {
  const scalar = scalarOf(field);
  const write = scalar === undefined ? messages.of(field.message!) : undefined;
  const readItem = scalar?.read ?? ((reader: TextReader) => write!(reader, reader.end()));
  const one: FieldReader = (reader, slots) => {
    const list = slots[slot] as string;
    const item = readItem(reader);
    slots[slot] = list === open ? list + item : `${list},${item}`;
  };
  const packed: FieldReader = (reader, slots) => {
    const end = reader.end();
    while (reader.pos < end) one(reader, slots);
    if (reader.pos !== end) throw new Unusual();
  };
  const wireType = scalar?.wireType ?? LengthDelimited;
  const readers: [number, FieldReader][] = [[tagOf(field.number, wireType), one]];
  if (wireType !== LengthDelimited) readers.push([tagOf(field.number, LengthDelimited), packed]);
  return { absent: open, close: ']', readers };
}

function planMap(
  field: DescField & { fieldKind: 'map' },
  slot: number,
  open: string,
  messages: MessageWriters,
): FieldPlan {
  const key = keyScalar(field.mapKey);
  const scalar = scalarOf(field);
  const write = scalar === undefined ? messages.of(field.message!) : undefined;
  const keyTag = tagOf(1, key.wireType);
  const valueTag = tagOf(2, scalar?.wireType ?? LengthDelimited);
  const read: FieldReader = (reader, slots) => {
    let name = key.zero;
    let value: string | undefined;
    const end = reader.end();
    while (reader.pos < end) {
      const tag = reader.wireTag();
      if (tag === keyTag) name = key.read(reader);
      else if (tag !== valueTag) throw new Unusual();
      else if (scalar !== undefined) value = scalar.read(reader);
      else if (value === undefined) value = write!(reader, reader.end());
      else throw new Unusual();
    }
    if (reader.pos !== end) throw new Unusual();
    value ??= scalar?.zero ?? write!(reader, reader.pos);
    if (typeof slots[slot] === 'string') slots[slot] = Object.create(null) as Entries;
    (slots[slot] as Entries)[name] = value;
  };
  return { absent: open, close: '}', readers: [[tagOf(field.number, LengthDelimited), read]] };
}

export function writeEntries(entries: Entries): string {
  return Object.keys(entries)
    .map((key) => `${JSON.stringify(key)}:${entries[key]}`)
    .join(',');
}
