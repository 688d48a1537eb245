import { type DescField, ScalarType } from '@bufbuild/protobuf';
import type { ReflectMessage } from '@bufbuild/protobuf/reflect';
import type { FieldViolation } from '../../core/contracts/errors.ts';

/**
 * Finds text that no store could keep as it is: U+0000 and lone surrogates. Adds a violation for each field that
 * holds some, until there are `limit`. A map's key is text of the map's field.
 */
export function findBadText(message: ReflectMessage, path: string, limit: number, found: FieldViolation[]): void {
  const check = (item: unknown, at: string) => {
    if (found.length >= limit) return;
    if (typeof item === 'object' && item !== null && 'desc' in item)
      findBadText(item as ReflectMessage, at, limit, found);
    else if (typeof item === 'string' && isBad(item))
      found.push({
        field: at,
        description: 'must not contain U+0000 or half of a surrogate pair',
        reason: 'INVALID_TEXT',
      });
  };
  for (const field of message.fields) {
    if (!mayHoldText(field) || !message.isSet(field)) continue;
    const at = path === '' ? field.name : `${path}.${field.name}`;
    if (field.fieldKind === 'list') {
      let index = 0;
      for (const item of message.get(field)) check(item, `${at}[${index++}]`);
    } else if (field.fieldKind === 'map') {
      for (const [key, item] of message.get(field)) {
        check(key, at);
        check(item, `${at}[${JSON.stringify(key)}]`);
      }
    } else check(message.get(field), at);
  }
}

function isBad(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}

function mayHoldText(field: DescField): boolean {
  return field.message !== undefined || field.scalar === ScalarType.STRING || field.fieldKind === 'map';
}
