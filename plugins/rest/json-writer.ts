import type { DescMessage, JsonObject, Message, Registry } from '@bufbuild/protobuf';
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { MessageWriters } from './json-message.ts';
import { TextReader } from './text-reader.ts';

export interface WrittenJson {
  readonly body: string;
  /** As it stands in the message; undefined where it has none. */
  readonly etag: string | undefined;
}

/** Throws for bytes that are no such message, or a message that JSON has no form for. */
export type JsonWriter = (bytes: Uint8Array) => WrittenJson;

/** The properties that lead to the etag; undefined where there is none. */
type EtagPath = readonly string[] | undefined;

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

  of(message: DescMessage, etag: EtagPath): JsonWriter {
    const write = this.#messages.of(message, etag);
    return (bytes) => {
      try {
        const reader = new TextReader(bytes);
        const body = write(reader, bytes.length);
        return { body, etag: reader.noted };
      } catch {
        return this.reflect(message, etag, bytes);
      }
    };
  }

  /** By protobuf-es; with `only` the value of that property of the JSON object, null where it is absent. */
  reflect(type: DescMessage, path: EtagPath, bytes: Uint8Array, only?: string): WrittenJson {
    const message: Message = fromBinary(type, bytes);
    const json = toJson(type, message, { registry: this.#registry, alwaysEmitImplicit: true });
    let etag: unknown = path === undefined ? undefined : message;
    for (const property of path ?? []) etag = (etag as Record<string, unknown> | undefined)?.[property];
    return {
      body: JSON.stringify(only === undefined ? json : ((json as JsonObject)[only] ?? null)),
      etag: typeof etag === 'string' ? etag : undefined,
    };
  }
}
