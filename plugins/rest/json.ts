import { isUtf8 } from 'node:buffer';
import type { DescField, DescMessage, JsonValue } from '@bufbuild/protobuf';
import { badField, badRequest } from './errors.ts';
import { fieldPath } from './fields.ts';

export const MAX_DEPTH = 32;

/**
 * Strict JSON: UTF-8, at most MAX_DEPTH objects and arrays inside each other, no key twice in an object (which of
 * the values was meant? JSON.parse takes the last, others the first). The value is that of `message`, or of its field
 * `within`.
 */
export function parseJson(bytes: Buffer, message: DescMessage, within?: DescField): JsonValue {
  if (!isUtf8(bytes)) throw badRequest('INVALID_JSON', 'the body is not valid UTF-8');
  const text = bytes.toString('utf8');
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    // The rest of the text repeats what was sent.
    const position = / at position \d+/.exec((error as Error).message)?.[0] ?? '';
    throw badRequest('INVALID_JSON', `the body is not valid JSON${position}`);
  }
  checkStructure(text, (place) => fieldPath(message, within === undefined ? place : [within.name, ...place]));
  return value;
}

interface Level {
  /** The keys seen in an object; undefined in an array. */
  readonly keys: Set<string> | undefined;
  /** The key or index of the value that is being read. */
  at: string | number;
}

/** Sees what JSON.parse hides. `text` is valid JSON. */
function checkStructure(text: string, pathOf: (place: (string | number)[]) => string): void {
  const levels: Level[] = [];
  let keyIsNext = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case OPEN_BRACE:
      case OPEN_BRACKET: {
        const isObject = text.charCodeAt(i) === OPEN_BRACE;
        if (levels.length === MAX_DEPTH)
          throw badRequest('INVALID_JSON', `the body nests deeper than ${MAX_DEPTH} levels`);
        levels.push({ keys: isObject ? new Set() : undefined, at: 0 });
        keyIsNext = isObject;
        break;
      }
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        levels.pop();
        keyIsNext = false;
        break;
      case COMMA: {
        const level = levels[levels.length - 1]!;
        if (level.keys === undefined) level.at = (level.at as number) + 1;
        else keyIsNext = true;
        break;
      }
      case QUOTE: {
        const start = i;
        let escaped = false;
        for (i++; text.charCodeAt(i) !== QUOTE; i++)
          if (text.charCodeAt(i) === BACKSLASH) {
            escaped = true;
            i++;
          }
        if (!keyIsNext) break;
        keyIsNext = false;
        const key = escaped ? (JSON.parse(text.slice(start, i + 1)) as string) : text.slice(start + 1, i);
        const level = levels[levels.length - 1]!;
        level.at = key;
        if (level.keys!.has(key))
          throw badField(pathOf(levels.map(({ at }) => at)), 'must be given once', 'DUPLICATE_FIELD');
        level.keys!.add(key);
        break;
      }
    }
  }
}

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
