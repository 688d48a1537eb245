import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';

/** Draws from an arbitrary. */
export type Draw = fc.GeneratorValue;

export interface WireOptions {
  /** Also what encoders do not write: other wire types, bytes that are no UTF-8, unknown fields, cut ends. */
  readonly odd: boolean;
}

const texts = fc.oneof(
  fc.constantFrom(
    '',
    'plain',
    'two words',
    '"quoted"',
    'back\\slash',
    'tab\t\0\u001f\u007f',
    '\u2028',
    'é',
    '\ufeffb',
    '😀',
    'long '.repeat(50),
    'lóng "'.repeat(50),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const keys = fc.oneof(
  fc.constantFrom('', '__proto__', 'constructor', '2', '10', '01', '-1', 'a"b'),
  fc.string({ maxLength: 4 }),
);
const doubles = fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e21, 1e-7, 123456789012));
const longs = fc.oneof(
  fc.constantFrom(0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 63n)),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
);
const unsigned = fc.bigInt(0n, 2n ** 64n - 1n);
/** Around the bounds of Timestamp and Duration. */
const seconds = fc.oneof(
  fc.bigInt(-62_135_596_803n, -62_135_596_797n),
  fc.bigInt(253_402_300_796n, 253_402_300_803n),
  fc.bigInt(-5_000_000_000n, 5_000_000_000n),
);
const nanos = fc.oneof(
  fc.constantFrom(0, 1, 1000, 1_000_000, 999_999_999, 120_000_000, 1_000_000_000, -1),
  fc.integer({ min: 0, max: 999_999_999 }),
  fc.nat(999).map((n) => n * 1_000_000),
);

/** Bytes of a message: its fields in any order, any number of times, packed and unpacked. */
export function drawMessage(draw: Draw, type: DescMessage, options: WireOptions, depth = 0): Uint8Array {
  const writer = new BinaryWriter();
  const fields = depth < 4 ? type.fields : type.fields.filter(({ message }) => message === undefined);
  const count = fields.length === 0 ? 0 : draw(fc.nat, { max: depth === 0 ? 8 : 3 });
  const isSelected = type.typeName === 'google.protobuf.Value';
  for (let n = 0; n < (isSelected ? 1 : count); n++) {
    const isOdd = options.odd && draw(fc.nat, { max: 11 }) === 0;
    if (isOdd) drawOdd(draw, writer, type);
    else drawField(draw, writer, fields[draw(fc.nat, { max: fields.length - 1 })]!, options, depth);
  }
  return writer.finish();
}

function drawOdd(draw: Draw, writer: BinaryWriter, type: DescMessage): void {
  const known = type.fields.map(({ number }) => number);
  const number = draw(fc.constantFrom, ...known, 1, 2, 3, 99, 100, 19_000);
  switch (draw(fc.nat, { max: 6 })) {
    case 0:
      writer.tag(number, WireType.Varint).uint64(draw(() => unsigned));
      break;
    case 1:
      writer
        .tag(number, WireType.LengthDelimited)
        .bytes(draw(fc.boolean) ? draw(fc.uint8Array, { maxLength: 6 }) : new Uint8Array(250).fill(0xc3));
      break;
    case 2:
      writer.tag(number, WireType.Bit32).fixed32(draw(fc.nat));
      break;
    case 3:
      writer.tag(number, WireType.StartGroup).tag(1, WireType.Varint).bool(true).tag(number, WireType.EndGroup);
      break;
    case 4:
      // A varint that is longer than it need be.
      writer.raw(Uint8Array.of(((number & 15) << 3) | 0x80, 0x80, 0x00, 0x81, 0x80, 0x00));
      break;
    case 5:
      // There is no field 0.
      writer.raw(Uint8Array.of(0, 1));
      break;
    default:
      writer.raw(draw(fc.uint8Array, { maxLength: 4 }));
  }
}

function drawField(draw: Draw, writer: BinaryWriter, field: DescField, options: WireOptions, depth: number): void {
  const isPackable = field.fieldKind === 'list' && field.message === undefined && !isDelimited(field.scalar);
  if (isPackable && draw(fc.boolean)) {
    writer.tag(field.number, WireType.LengthDelimited).fork();
    const count = draw(fc.nat, { max: 3 });
    for (let n = 0; n < count; n++) drawScalar(draw, writer, field);
    writer.join();
  } else if (field.fieldKind === 'map') {
    writer.tag(field.number, WireType.LengthDelimited).fork();
    const parts = draw(fc.constantFrom, 'kv', 'vk', 'k', 'v', '', ...(options.odd ? ['kvkv', 'vkv'] : []));
    for (const part of parts)
      if (part === 'k') drawScalar(draw, writer.tag(1, wireTypeOf(field.mapKey)), { scalar: field.mapKey }, true);
      else drawValue(draw, writer, field, 2, options, depth);
    writer.join();
  } else drawValue(draw, writer, field, field.number, options, depth);
}

function drawValue(
  draw: Draw,
  writer: BinaryWriter,
  field: DescField,
  number: number,
  options: WireOptions,
  depth: number,
): void {
  const isGroup = 'delimitedEncoding' in field && field.delimitedEncoding;
  if (field.message !== undefined) {
    const bytes = drawKnown(draw, field.message) ?? drawMessage(draw, field.message, options, depth + 1);
    if (isGroup) writer.tag(number, WireType.StartGroup).raw(bytes).tag(number, WireType.EndGroup);
    else writer.tag(number, WireType.LengthDelimited).bytes(bytes);
  } else drawScalar(draw, writer.tag(number, wireTypeOf(field.scalar)), field);
}

/** What is seldom valid by chance. */
function drawKnown(draw: Draw, { typeName }: DescMessage): Uint8Array | undefined {
  const writer = new BinaryWriter();
  if (typeName === 'google.protobuf.Timestamp' || typeName === 'google.protobuf.Duration') {
    if (draw(fc.boolean)) writer.tag(1, WireType.Varint).int64(draw(() => seconds));
    if (draw(fc.boolean)) writer.tag(2, WireType.Varint).int32(draw(() => nanos));
    return writer.finish();
  }
  if (typeName === 'google.protobuf.FieldMask')
    return writer.tag(1, 2).string('a_field.b').tag(1, 2).string('c').finish();
  if (typeName === 'google.protobuf.Any')
    return writer
      .tag(1, 2)
      .string('type.googleapis.com/json.test.Resource')
      .tag(2, 2)
      .bytes(Uint8Array.of(0x1a, 0))
      .finish();
  return undefined;
}

function drawScalar(
  draw: Draw,
  writer: BinaryWriter,
  { scalar, enum: type }: { readonly scalar?: ScalarType | undefined; readonly enum?: DescField['enum'] },
  isKey = false,
): void {
  if (scalar === undefined) {
    writer.int32(draw(fc.constantFrom, ...type!.values.map(({ number }) => number), 5, -2_000_000_000));
    return;
  }
  const int32 = () => draw(fc.integer, { min: -(2 ** 31), max: 2 ** 31 - 1 });
  const uint32 = () => draw(fc.integer, { min: 0, max: 2 ** 32 - 1 });
  const write: Record<ScalarType, () => unknown> = {
    [ScalarType.DOUBLE]: () => writer.double(draw(() => doubles)),
    [ScalarType.FLOAT]: () => writer.float(Math.fround(draw(() => doubles))),
    [ScalarType.INT32]: () => writer.int32(int32()),
    [ScalarType.UINT32]: () => writer.uint32(uint32()),
    [ScalarType.SINT32]: () => writer.sint32(int32()),
    [ScalarType.FIXED32]: () => writer.fixed32(uint32()),
    [ScalarType.SFIXED32]: () => writer.sfixed32(int32()),
    [ScalarType.INT64]: () => writer.int64(draw(() => longs)),
    [ScalarType.UINT64]: () => writer.uint64(draw(() => unsigned)),
    [ScalarType.SINT64]: () => writer.sint64(draw(() => longs)),
    [ScalarType.FIXED64]: () => writer.fixed64(draw(() => unsigned)),
    [ScalarType.SFIXED64]: () => writer.sfixed64(draw(() => longs)),
    [ScalarType.BOOL]: () => writer.bool(draw(fc.boolean)),
    [ScalarType.STRING]: () => writer.string(draw(() => (isKey ? keys : texts)).toWellFormed()),
    [ScalarType.BYTES]: () => writer.bytes(draw(fc.uint8Array, { maxLength: 5 })),
  };
  write[scalar]();
}

function isDelimited(scalar: ScalarType | undefined): boolean {
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}

function wireTypeOf(scalar: ScalarType | undefined): WireType {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    default:
      return WireType.Varint;
  }
}
