import type { DescField, DescMessage, JsonObject } from '@bufbuild/protobuf';
import { fieldOf, hasOwnJsonForm, isObject, pathOf } from './fields.ts';

/** What is in an update's body and yet no field of what is updated. */
const NOT_UPDATED = new Set(['etag', 'update_mask', 'request_id']);

/**
 * The mask of an update that was sent without one: the fields that are present, in proto names; those of nested
 * messages one by one. A field that is null is present: it is cleared. `body` fits `message`.
 */
export function presentFields(body: JsonObject, message: DescMessage, bound: ReadonlySet<string>): string[] {
  const paths: string[] = [];
  const walk = (object: JsonObject, parent: DescMessage, prefix: string) => {
    for (const [key, value] of Object.entries(object)) {
      const field = fieldOf(parent, key);
      if (field === undefined || (prefix === '' && NOT_UPDATED.has(field.name))) continue;
      const path = pathOf.key(prefix, field.name);
      if (bound.has(path)) continue;
      if (isNested(field) && isObject(value) && Object.keys(value).length > 0) walk(value, field.message, path);
      else paths.push(path);
    }
  };
  walk(body, message, '');
  return paths;
}

type NestedField = DescField & { readonly fieldKind: 'message'; readonly message: DescMessage };

function isNested(field: DescField): field is NestedField {
  return field.fieldKind === 'message' && !hasOwnJsonForm(field.message);
}

/** A mask that the caller wrote, in proto or JSON names. What names no field stays as it is: the method judges it. */
export function maskPaths(text: string, message: DescMessage): string[] {
  return text === '' ? [] : text.split(',').map((path) => protoNames(path.trim(), message));
}

function protoNames(path: string, root: DescMessage): string {
  let message: DescMessage | undefined = root;
  const names: string[] = [];
  for (const part of path.split('.')) {
    const field: DescField | undefined = message && fieldOf(message, part);
    if (field === undefined) return path;
    names.push(field.name);
    message = field.fieldKind === 'message' ? field.message : undefined;
  }
  return names.join('.');
}
