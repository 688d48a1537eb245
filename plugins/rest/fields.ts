import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';

/** What a field's `presence` is where an empty value is as good as none: google.protobuf.FeatureSet.FieldPresence. */
export const IMPLICIT = 2;

const byName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The field with this proto name or JSON name. */
export function fieldOf(message: DescMessage, name: string): DescField | undefined {
  let fields = byName.get(message);
  if (fields === undefined) {
    fields = new Map(
      message.fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const]),
    );
    byName.set(message, fields);
  }
  return fields.get(name);
}

/** Well-known types that JSON shows as something else than an object of their fields. */
export function hasOwnJsonForm(message: DescMessage): boolean {
  return TEXT_FORMS.has(message.typeName) || OTHER_FORMS.has(message.typeName) || isWrapperDesc(message);
}

/** Well-known types that are one string or scalar in JSON, and so can be query parameters. */
export function isOneValue(message: DescMessage): boolean {
  return TEXT_FORMS.has(message.typeName) || isWrapperDesc(message);
}

export const FIELD_MASK = 'google.protobuf.FieldMask';
const TEXT_FORMS = new Set([FIELD_MASK, 'google.protobuf.Timestamp', 'google.protobuf.Duration']);
const OTHER_FORMS = new Set([
  'google.protobuf.Any',
  'google.protobuf.Struct',
  'google.protobuf.Value',
  'google.protobuf.ListValue',
]);

export function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** The value that a JSON object has for a field under either of its names; undefined when absent. */
export function jsonOf(object: JsonObject, field: DescField): JsonValue | undefined {
  if (Object.hasOwn(object, field.jsonName)) return object[field.jsonName];
  return Object.hasOwn(object, field.name) ? object[field.name] : undefined;
}

/** Appends to the path of a field in proto names, as protovalidate writes it: 'items[2].labels["a"].name'. */
export const pathOf = {
  key: (path: string, name: string) => (path === '' ? name : `${path}.${name}`),
  index: (path: string, index: number) => `${path}[${index}]`,
  entry: (path: string, map: DescField, key: string) =>
    `${path}[${map.fieldKind === 'map' && map.mapKey === ScalarType.STRING ? JSON.stringify(key) : key}]`,
};

/** The path, in proto names as far as they are known, of a place in the JSON of a message. */
export function fieldPath(root: DescMessage, place: readonly (string | number)[]): string {
  let path = '';
  let message: DescMessage | undefined = root;
  let map: DescField | undefined;
  for (const at of place) {
    if (typeof at === 'number') path = pathOf.index(path, at);
    else if (map !== undefined) path = pathOf.entry(path, map, at);
    else {
      const field: DescField | undefined = message && fieldOf(message, at);
      path = pathOf.key(path, field?.name ?? at);
      message = field?.message;
      map = field?.fieldKind === 'map' ? field : undefined;
      continue;
    }
    map = undefined;
  }
  return path;
}
