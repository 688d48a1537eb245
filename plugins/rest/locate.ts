import type { DescField, DescMessage, JsonObject, JsonValue, Registry } from '@bufbuild/protobuf';
import { fromJson, ScalarType } from '@bufbuild/protobuf';
import { type FieldViolation, MAX_VIOLATIONS } from '../../core/contracts/errors.ts';
import { fieldOf, hasOwnJsonForm, isObject, pathOf } from './fields.ts';
import { isStrict } from './strict.ts';

/**
 * Finds which fields of a JSON value its message does not take: protobuf-es says no more than the innermost
 * message. Runs only after the value was refused. Every value is judged as the whole was, apart from its siblings, so
 * that both always agree.
 */
export function locate(message: DescMessage, json: JsonValue, registry: Registry): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const report = (field: string, description: string, reason = 'INVALID_FIELD') => {
    if (violations.length < MAX_VIOLATIONS) violations.push({ field, description, reason });
  };

  const fits = (parent: DescMessage, object: JsonObject) => {
    try {
      fromJson(parent, object, { registry });
      return isStrict(parent, object, registry);
    } catch {
      return false;
    }
  };

  const inMessage = (parent: DescMessage, value: JsonValue, path: string) => {
    if (!isObject(value)) return report(path, 'must be an object');
    const seen = new Map<object, string>();
    for (const [key, item] of Object.entries(value)) {
      const field = fieldOf(parent, key);
      if (field === undefined) {
        report(pathOf.key(path, key), `is not a field of ${parent.typeName}`, 'UNKNOWN_FIELD');
        continue;
      }
      const fieldPath = pathOf.key(path, field.name);
      if (seen.has(field)) report(fieldPath, 'must be given once', 'DUPLICATE_FIELD');
      seen.set(field, field.name);
      if (field.oneof !== undefined && item !== null) {
        const other = seen.get(field.oneof);
        if (other !== undefined) report(fieldPath, `must not be given together with ${other}`, 'DUPLICATE_FIELD');
        seen.set(field.oneof, field.name);
      }
      inField(field, item, fieldPath);
    }
  };

  const inField = (field: DescField, value: JsonValue, path: string) => {
    // Clears the field, whatever it is.
    if (value === null) return;
    let parts: Part[];
    if (field.fieldKind === 'list') {
      if (!Array.isArray(value)) return report(path, 'must be an array');
      parts = value.map((item, index) => ({ path: pathOf.index(path, index), key: '', value: item }));
    } else if (field.fieldKind === 'map') {
      if (!isObject(value)) return report(path, 'must be an object');
      parts = Object.entries(value).map(([key, item]) => ({ path: pathOf.entry(path, field, key), key, value: item }));
    } else parts = [{ path, key: '', value }];

    const nested = plainMessage(field);
    if (nested === undefined) return narrow(field, parts);
    for (const part of parts) {
      if (field.fieldKind === 'map') narrow(field, [{ ...part, value: {} }]);
      if (part.value === null) narrow(field, [part]);
      else inMessage(nested, part.value, part.path);
    }
  };

  /** Halves a list or map until the wrong values are left: a big one costs no more than twice its reading. */
  const narrow = (field: DescField, parts: readonly Part[]) => {
    if (parts.length === 0 || violations.length === MAX_VIOLATIONS) return;
    const isFit =
      parts.every((part) => isWellFormed(part.key) && isWellFormed(part.value)) &&
      fits(field.parent, { [field.jsonName]: joined(field, parts) });
    if (isFit) return;
    if (parts.length === 1) return report(parts[0]!.path, allowed(field, parts[0]!));
    const middle = parts.length >> 1;
    narrow(field, parts.slice(0, middle));
    narrow(field, parts.slice(middle));
  };

  inMessage(message, json, '');
  return violations;
}

/** A value of a field: the only one, or one of its list or map. */
interface Part {
  readonly path: string;
  readonly key: string;
  readonly value: JsonValue;
}

function joined(field: DescField, parts: readonly Part[]): JsonValue {
  if (field.fieldKind === 'list') return parts.map(({ value }) => value);
  // fromEntries defines its properties: a key '__proto__' stays a key.
  if (field.fieldKind === 'map') return Object.fromEntries(parts.map(({ key, value }) => [key, value]));
  return parts[0]!.value;
}

/** The field's message, if JSON shows it as an object of its fields. */
function plainMessage(field: DescField): DescMessage | undefined {
  return field.message === undefined || hasOwnJsonForm(field.message) ? undefined : field.message;
}

/** No text in it, keys included, has a surrogate without its other half: that is no Unicode text and has no UTF-8. */
export function isWellFormed(value: JsonValue): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isWellFormed);
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isWellFormed(item));
}

/** What a field takes instead of this value, as the rest of a sentence. */
function allowed(field: DescField, { key, value }: Part): string {
  if (!isWellFormed(value) || !key.isWellFormed())
    return 'must be well-formed Unicode text: half of a surrogate pair is missing';
  if (value === null) return 'must not be null';
  return field.fieldKind === 'map'
    ? `the key ${SCALARS[field.mapKey]}, the value ${allowedValue(field)}`
    : allowedValue(field);
}

function allowedValue(field: DescField): string {
  if (field.enum !== undefined) {
    const names = field.enum.values.slice(0, 20).map(({ name }) => name);
    return `must be one of ${names.join(', ')}${field.enum.values.length > names.length ? ' ...' : ''}`;
  }
  if (field.scalar !== undefined) return SCALARS[field.scalar];
  return WELL_KNOWN[field.message!.typeName] ?? 'must be an object';
}

const INT32 = 'must be an integer from -2147483648 to 2147483647';
const UINT32 = 'must be an integer from 0 to 4294967295';
const INT64 = 'must be an integer of 64 bits, as a string or a number';
const UINT64 = 'must be an unsigned integer of 64 bits, as a string or a number';
const STRING = 'must be a string';
const BOOL = 'must be true or false';
const BYTES = 'must be a string in base64';
const NUMBER = 'must be a number';

const SCALARS: Readonly<Record<ScalarType, string>> = {
  [ScalarType.DOUBLE]: NUMBER,
  [ScalarType.FLOAT]: NUMBER,
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
  [ScalarType.BOOL]: BOOL,
  [ScalarType.STRING]: STRING,
  [ScalarType.BYTES]: BYTES,
};

const WELL_KNOWN: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'must be a time in RFC 3339 form that the calendar has, like "2026-01-31T12:00:00Z"',
  'google.protobuf.Duration': 'must be a number of seconds that ends in "s", like "1.5s"',
  'google.protobuf.FieldMask': 'must be a string of lowerCamelCase field paths, separated by commas',
  'google.protobuf.Any': 'must be an object with "@type" and the fields of that type',
  'google.protobuf.Struct': 'must be an object',
  'google.protobuf.ListValue': 'must be an array',
  'google.protobuf.StringValue': STRING,
  'google.protobuf.BytesValue': BYTES,
  'google.protobuf.BoolValue': BOOL,
  'google.protobuf.Int32Value': INT32,
  'google.protobuf.UInt32Value': UINT32,
  'google.protobuf.Int64Value': INT64,
  'google.protobuf.UInt64Value': UINT64,
  'google.protobuf.FloatValue': NUMBER,
  'google.protobuf.DoubleValue': NUMBER,
};
