import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { badField, badRequest } from './errors.ts';
import { fieldOf, hasOwnJsonForm, isOneValue, pathOf } from './fields.ts';
import { DECIMAL } from './strict.ts';

export type QueryPair = readonly [name: string, value: string];

/** The decoded pairs of a query string, in order. '+' is a space. */
export function parseQuery(query: string): QueryPair[] {
  const pairs: QueryPair[] = [];
  for (const piece of query.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = equals === -1 ? piece : piece.slice(0, equals);
    pairs.push([decode(name), equals === -1 ? '' : decode(piece.slice(equals + 1))]);
  }
  return pairs;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw badRequest('INVALID_QUERY', 'the query string is not percent-encoded UTF-8');
  }
}

/**
 * Query parameters as the JSON of `message`: 'a.b=c' is a field of a field, a parameter that is given several times
 * is a list. `taken` says by what else a field of the message is given; such a field is no parameter.
 */
export function queryToJson(
  message: DescMessage,
  pairs: readonly QueryPair[],
  taken: (path: string) => string | undefined,
): JsonObject {
  const root: JsonObject = {};
  for (const [name, text] of pairs) {
    let parent = message;
    let object = root;
    let path = '';
    const parts = name.split('.');
    for (const [index, part] of parts.entries()) {
      const field = fieldOf(parent, part);
      if (field === undefined) throw unknown(name, 'is not a query parameter of this method');
      path = pathOf.key(path, field.name);
      const by = taken(path);
      if (by !== undefined) throw unknown(path, `is given by ${by}, and not as a query parameter`);
      if (index === parts.length - 1) {
        put(object, field, text, path);
        break;
      }
      if (field.fieldKind !== 'message' || hasOwnJsonForm(field.message))
        throw unknown(name, `is not a query parameter of this method: ${path} has no parameters inside it`);
      parent = field.message;
      object[field.jsonName] ??= {};
      object = object[field.jsonName] as JsonObject;
    }
  }
  return root;
}

function unknown(field: string, description: string) {
  return badField(field, description, 'UNKNOWN_FIELD');
}

function put(object: JsonObject, field: DescField, text: string, path: string): void {
  if (field.fieldKind === 'map' || (field.message !== undefined && !isOneValue(field.message)))
    throw unknown(path, 'cannot be given as a query parameter');
  const value = textToJson(field, text);
  const existing = object[field.jsonName];
  if (field.fieldKind === 'list' && existing !== undefined) (existing as JsonValue[]).push(value);
  else if (field.fieldKind === 'list') object[field.jsonName] = [value];
  else if (existing !== undefined) throw badField(path, 'must be given once', 'DUPLICATE_FIELD');
  else object[field.jsonName] = value;
}

/** The JSON of a value that is written as text; what is no such value becomes JSON that the field does not take. */
export function textToJson(field: DescField, text: string): JsonValue {
  if (field.enum !== undefined) return INTEGER.test(text) ? Number(text) : text;
  switch (field.message === undefined ? field.scalar : wrapped(field.message)) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
    case undefined:
      return text;
    case ScalarType.BOOL:
      return text === 'true' ? true : text === 'false' ? false : text;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return DECIMAL.test(text) ? text : NOTHING;
    default:
      return INTEGER.test(text) ? text : NOTHING;
  }
}

function wrapped(message: DescMessage): ScalarType | undefined {
  return isWrapperDesc(message) ? message.fields[0]!.scalar : undefined;
}

const INTEGER = /^-?\d+$/;
/** No number is an object. */
const NOTHING: JsonObject = {};
