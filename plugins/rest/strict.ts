import type { DescField, DescMessage, JsonObject, JsonValue, Registry } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { hasOwnJsonForm, jsonOf } from './fields.ts';

/** Judges JSON that protobuf-es takes for a value of the field or message. */
type Check = (json: JsonValue, registry: Registry) => boolean;

/**
 * False where protobuf-es takes `json` for the message and proto3 JSON does not: 30 February and 24:00 (which would
 * move to another day), durations with something behind their "s", integers like "0x10". Messages that hold no such
 * field, however deep, cost nothing.
 */
export function isStrict(message: DescMessage, json: JsonValue, registry: Registry): boolean {
  return checkOf(message)?.(json, registry) ?? true;
}

/** A number as text, in the query and in JSON. */
export const DECIMAL = /^(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity)$/;
const DURATION = /^-?\d+(?:\.\d{1,9})?s$/;

const WELL_KNOWN: Readonly<Record<string, Check>> = {
  'google.protobuf.Timestamp': (json) => isOnCalendar(json as string),
  'google.protobuf.Duration': (json) => DURATION.test(json as string),
  'google.protobuf.Any': isStrictAny,
};

/** The form, the offset and the years 1 to 9999 are protobuf-es's to judge; Date.parse alone turns the page. */
function isOnCalendar(text: string): boolean {
  const local = text.slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
  const millis = Date.parse(`${local}Z`);
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(local);
}

function isStrictAny(json: JsonValue, registry: Registry): boolean {
  const { '@type': url, value } = json as JsonObject;
  const message = typeof url === 'string' ? registry.getMessage(url.slice(url.lastIndexOf('/') + 1)) : undefined;
  if (message === undefined) return true;
  return isStrict(message, hasOwnJsonForm(message) ? (value ?? null) : json, registry);
}

const isDecimal: Check = (json) => typeof json !== 'string' || DECIMAL.test(json);

const checks = new WeakMap<DescMessage, { readonly check: Check | undefined }>();

function checkOf(message: DescMessage): Check | undefined {
  let known = checks.get(message);
  if (known === undefined) {
    known = { check: canBeLoose(message) ? compile(message) : undefined };
    checks.set(message, known);
  }
  return known.check;
}

/** Something in the message, at any depth, is checked. */
function canBeLoose(message: DescMessage, seen = new Set<DescMessage>()): boolean {
  if (seen.has(message)) return false;
  seen.add(message);
  if (Object.hasOwn(WELL_KNOWN, message.typeName)) return true;
  if (hasOwnJsonForm(message) && !isWrapperDesc(message)) return false;
  return message.fields.some(
    (field) =>
      isNumber(field.scalar) ||
      (field.fieldKind === 'map' && isNumber(field.mapKey)) ||
      (field.message !== undefined && canBeLoose(field.message, seen)),
  );
}

/** Of a message that can be loose. */
function compile(message: DescMessage): Check | undefined {
  if (Object.hasOwn(WELL_KNOWN, message.typeName)) return WELL_KNOWN[message.typeName];
  if (isWrapperDesc(message)) return isDecimal;
  const fields = message.fields.flatMap((field) => {
    const check = fieldCheck(field);
    return check === undefined ? [] : [{ field, check }];
  });
  return (json, registry) =>
    fields.every(({ field, check }) => {
      const value = jsonOf(json as JsonObject, field);
      return value === undefined || value === null || check(value, registry);
    });
}

function fieldCheck(field: DescField): Check | undefined {
  const one = valueCheck(field);
  if (field.fieldKind === 'map') {
    const hasNumbers = isNumber(field.mapKey);
    if (one === undefined && !hasNumbers) return undefined;
    return (json, registry) =>
      Object.entries(json as JsonObject).every(
        ([key, value]) => (!hasNumbers || DECIMAL.test(key)) && (one === undefined || one(value, registry)),
      );
  }
  if (one === undefined || field.fieldKind !== 'list') return one;
  return (json, registry) => (json as JsonValue[]).every((value) => one(value, registry));
}

function valueCheck({ scalar, message }: DescField): Check | undefined {
  if (isNumber(scalar)) return isDecimal;
  // Looked up when it runs: a message may hold itself.
  if (message !== undefined && canBeLoose(message)) return (json, registry) => isStrict(message, json, registry);
  return undefined;
}

function isNumber(scalar: ScalarType | undefined): boolean {
  return (
    scalar !== undefined && scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES && scalar !== ScalarType.BOOL
  );
}
