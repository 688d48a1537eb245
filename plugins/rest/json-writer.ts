import type { DescMessage, JsonObject, Message, Registry } from '@bufbuild/protobuf';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { MessageWriters } from './json-message.ts';
import { TextReader } from './text-reader.ts';

export interface WrittenJson {
  readonly body: string;
  /** The text that was to be noted, such as the etag, as it stands in the message; undefined where it has none. */
  readonly noted: string | undefined;
}

/** Throws for bytes that are no such message, or a message that JSON has no form for. */
export type JsonWriter = (bytes: Uint8Array) => WrittenJson;

/** The properties that lead to the text to note; undefined where there is none. */
type NotedPath = readonly string[] | undefined;

/**
 * Writers from the wire format to proto3 JSON with all fields, in one pass and without a message between. The text is
 * that of protobuf-es, which takes over where bytes are in a form that no usual encoder makes: parts of one message in
 * two places, another wire type, text that is not UTF-8.
 */
export class JsonWriters {
  readonly #registry: Registry;
  readonly #messages: MessageWriters;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#messages = new MessageWriters(registry);
  }

  of(message: DescMessage, noted: NotedPath): JsonWriter {
    const write = this.#messages.of(message, noted);
    return (bytes) => {
      try {
        const reader = new TextReader(bytes);
        const body = write(reader, bytes.length);
        return { body, noted: reader.noted };
      } catch {
        return this.reflect(message, noted, bytes);
      }
    };
  }

  /** By protobuf-es; with `only` the value of that property of the JSON object, null where it is absent. */
  reflect(type: DescMessage, path: NotedPath, bytes: Uint8Array, only?: string): WrittenJson {
    const message: Message = fromBinary(type, bytes);
    const json = toJson(type, message, { registry: this.#registry, alwaysEmitImplicit: true });
    let noted: unknown = path === undefined ? undefined : message;
    for (const property of path ?? []) noted = (noted as Record<string, unknown> | undefined)?.[property];
    return {
      body: JSON.stringify(only === undefined ? json : ((json as JsonObject)[only] ?? null)),
      noted: typeof noted === 'string' ? noted : undefined,
    };
  }
}
