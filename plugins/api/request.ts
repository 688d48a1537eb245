import {
  create,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  isMessage,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { pathToString, reflect } from '@bufbuild/protobuf/reflect';
import { createValidator, type Validator, type Violation } from '@bufbuild/protovalidate';
import { DomainError, type FieldViolation, invalidFields, MAX_VIOLATIONS } from '../../core/contracts/errors.ts';
import type { BoundMethod } from './methods.ts';
import { findBadText } from './text.ts';

/** Makes the handler's request of what a server received: decoded, of sound text, valid by the rules of its type. */
export class RequestReader {
  readonly #validator: Validator;

  constructor(registry: FileRegistry) {
    this.#validator = createValidator({ registry, regexMatch: matcher() });
  }

  /**
   * Throws INVALID_ARGUMENT with every violation, up to 25. The handler's message is decoded from what was validated,
   * written anew: two decoders may read the same odd bytes in two ways.
   */
  read({ descriptor, definition }: BoundMethod, request: Uint8Array | Message): unknown {
    const type = descriptor.input;
    const message = request instanceof Uint8Array ? decode(type, request) : request;
    if (!isMessage(message, type)) throw new TypeError(`the request is not a ${type.typeName}`);
    const result = this.#validator.validate(type, message);
    if (result.kind === 'error') throw result.error;
    if (result.kind === 'invalid') throw invalidFields(violationsOf(type, message, result.violations));
    const written = toBinary(type, message);
    const bytes = Buffer.from(written.buffer, written.byteOffset, written.byteLength);
    const found = mayHoldBadText(bytes) ? violationsOf(type, message, []) : [];
    if (found.length > 0) throw invalidFields(found);
    return definition.requestDeserialize(bytes);
  }

  /** Compiles what is compiled at first use. Throws when the type has a rule that cannot be compiled. */
  warmUp(type: DescMessage): void {
    const message = create(type);
    const { kind, error } = this.#validator.validate(type, message);
    if (kind === 'error') throw error;
    fromBinary(type, toBinary(type, message));
  }
}

/** Those of its text, and those of the rules, up to 25. */
function violationsOf(type: DescMessage, message: Message, broken: readonly Violation[]): FieldViolation[] {
  const found: FieldViolation[] = [];
  findBadText(reflect(type, message), '', MAX_VIOLATIONS, found);
  for (const violation of broken.slice(0, MAX_VIOLATIONS - found.length)) found.push(describe(violation));
  return found;
}

/** Of bytes that were written here: the writer puts U+FFFD in the place of half a surrogate pair. */
function mayHoldBadText(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0 || (byte === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd)) return true;
  }
  return false;
}

function decode(type: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(type, bytes);
  } catch (cause) {
    const message = `the request is not a ${type.typeName}: its bytes are damaged, or hold text that is not UTF-8`;
    throw new DomainError('INVALID_ARGUMENT', 'MALFORMED_REQUEST', message, { cause });
  }
}

function describe({ field, ruleId, message }: Violation): FieldViolation {
  return { field: pathToString(field), description: plain(ruleId, message), reason: ruleId };
}

/** The validator's own words where they are plain; it never puts the value into them. */
function plain(ruleId: string, message: string): string {
  if (message === 'must be at least 1 characters') return 'must not be empty';
  if (message.endsWith(' regex pattern `\\S`')) return 'must not be blank';
  if (ruleId.endsWith('_empty')) return message.replace(/^value is empty, which is not/, 'must be');
  return message.replace(/^does not match/, 'must match').replace(/^value is required$/, 'is required');
}

/** Patterns come from the plugins' own protos, so the fast engine is safe; each is compiled once. */
function matcher(): (pattern: string, text: string) => boolean {
  const compiled = new Map<string, RegExp>();
  return (pattern, text) => {
    let regex = compiled.get(pattern);
    if (regex === undefined) {
      regex = new RegExp(pattern, 'u');
      compiled.set(pattern, regex);
    }
    return regex.test(text);
  };
}
