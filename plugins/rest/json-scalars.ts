import type { DescEnum, DescField } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import type { TextReader } from './text-reader.ts';

/** A kind of value that is no message: how it is read, and what it is in JSON when it is absent. */
export interface Scalar {
  readonly wireType: WireType;
  readonly read: (reader: TextReader) => string;
  readonly zero: string;
}

const number = (value: number) => (Number.isFinite(value) ? String(value) : `"${value}"`);
const { Varint, Bit32, Bit64, LengthDelimited } = WireType;

const scalars: Readonly<Record<ScalarType, Scalar>> = {
  [ScalarType.DOUBLE]: { wireType: Bit64, read: (reader) => number(reader.double()), zero: '0' },
  [ScalarType.FLOAT]: { wireType: Bit32, read: (reader) => number(reader.float()), zero: '0' },
  [ScalarType.INT32]: { wireType: Varint, read: (reader) => String(reader.int32()), zero: '0' },
  [ScalarType.UINT32]: { wireType: Varint, read: (reader) => String(reader.uint32()), zero: '0' },
  [ScalarType.SINT32]: { wireType: Varint, read: (reader) => String(reader.sint32()), zero: '0' },
  [ScalarType.FIXED32]: { wireType: Bit32, read: (reader) => String(reader.fixed32()), zero: '0' },
  [ScalarType.SFIXED32]: { wireType: Bit32, read: (reader) => String(reader.sfixed32()), zero: '0' },
  [ScalarType.INT64]: { wireType: Varint, read: (reader) => `"${reader.int64()}"`, zero: '"0"' },
  [ScalarType.UINT64]: { wireType: Varint, read: (reader) => `"${reader.uint64()}"`, zero: '"0"' },
  [ScalarType.SINT64]: { wireType: Varint, read: (reader) => `"${reader.sint64()}"`, zero: '"0"' },
  [ScalarType.FIXED64]: { wireType: Bit64, read: (reader) => `"${reader.fixed64()}"`, zero: '"0"' },
  [ScalarType.SFIXED64]: { wireType: Bit64, read: (reader) => `"${reader.sfixed64()}"`, zero: '"0"' },
  [ScalarType.BOOL]: { wireType: Varint, read: (reader) => String(reader.bool()), zero: 'false' },
  [ScalarType.STRING]: { wireType: LengthDelimited, read: (reader) => reader.jsonString(), zero: '""' },
  [ScalarType.BYTES]: {
    wireType: LengthDelimited,
    read: (reader) => `"${reader.take(reader.end()).toString('base64')}"`,
    zero: '""',
  },
};

/** Of a field, a list's items or a map's values. Undefined where they are messages. */
export function scalarOf(field: DescField): Scalar | undefined {
  if (field.scalar !== undefined) return scalars[field.scalar];
  return field.enum === undefined ? undefined : enumScalar(field.enum);
}

/** Open enums: a number without a name stays a number. */
function enumScalar({ typeName, values, value }: DescEnum): Scalar {
  const isNull = typeName === 'google.protobuf.NullValue';
  const nameOf = (number: number) => {
    const name = value[number]?.jsonName;
    return isNull ? 'null' : name === undefined ? String(number) : JSON.stringify(name);
  };
  const names = new Map(values.map(({ number }) => [number, nameOf(number)]));
  const read = (reader: TextReader) => {
    const number = reader.int32();
    return names.get(number) ?? nameOf(number);
  };
  return { wireType: Varint, read, zero: nameOf(values[0]!.number) };
}

/** The key of a map as the property of an object, which is what protobuf-es makes of it. */
export function keyScalar(type: ScalarType): Scalar {
  const { wireType, read, zero } = scalars[type];
  // Strings and the 64-bit integers are in quotes.
  const key = (json: string) => String(JSON.parse(json));
  return { wireType, read: (reader) => key(read(reader)), zero: key(zero) };
}
