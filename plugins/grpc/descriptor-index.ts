import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

interface IndexedFile {
  readonly bytes: Uint8Array;
  readonly imports: readonly string[];
}

/** Serialized files by what they declare. Files are kept byte for byte; of two with one name, the first. */
export class DescriptorIndex {
  readonly #files = new Map<string, IndexedFile>();
  readonly #symbols = new Map<string, string>();
  /** By the extended type, then by field number. */
  readonly #extensions = new Map<string, Map<number, string>>();

  /** Adds every file of a serialized FileDescriptorSet. */
  addSet(set: Uint8Array): void {
    const reader = new BinaryReader(set);
    while (reader.pos < reader.len) {
      reader.tag();
      this.addFile(reader.bytes());
    }
  }

  addFile(bytes: Uint8Array): void {
    const file = fromBinary(FileDescriptorProtoSchema, bytes);
    if (this.#files.has(file.name)) return;
    this.#files.set(file.name, { bytes, imports: file.dependency });
    this.#addTypes(file.package, file.messageType, file.enumType, file.extension, file.name);
    for (const service of file.service) {
      const name = this.#add(file.package, service.name, file.name);
      for (const method of service.method) this.#add(name, method.name, file.name);
    }
  }

  /** The name of the file that declares a type, field, value, service, method or extension. */
  fileOfSymbol(symbol: string): string | undefined {
    return this.#symbols.get(symbol);
  }

  /** The files of a type's extensions, by field number. */
  extensionsOf(typeName: string): ReadonlyMap<number, string> | undefined {
    return this.#extensions.get(typeName);
  }

  /** The file and all that it imports, the file itself first; empty when there is none of that name. */
  withImports(name: string): Uint8Array[] {
    const found = new Map<string, Uint8Array>();
    const visit = (next: string) => {
      const file = this.#files.get(next);
      if (file === undefined || found.has(next)) return;
      found.set(next, file.bytes);
      file.imports.forEach(visit);
    };
    visit(name);
    return [...found.values()];
  }

  #addTypes(
    scope: string,
    messages: readonly DescriptorProto[],
    enums: readonly EnumDescriptorProto[],
    extensions: readonly FieldDescriptorProto[],
    file: string,
  ): void {
    for (const message of messages) {
      const name = this.#add(scope, message.name, file);
      for (const field of [...message.field, ...message.oneofDecl]) this.#add(name, field.name, file);
      this.#addTypes(name, message.nestedType, message.enumType, message.extension, file);
    }
    for (const type of enums) {
      this.#add(scope, type.name, file);
      // A value belongs to the scope of its enum, as in C++.
      for (const value of type.value) this.#add(scope, value.name, file);
    }
    for (const extension of extensions) {
      this.#add(scope, extension.name, file);
      const extended = extension.extendee.replace(/^\./, '');
      const known = this.#extensions.get(extended) ?? new Map<number, string>();
      this.#extensions.set(extended, known.set(extension.number, file));
    }
  }

  #add(scope: string, name: string, file: string): string {
    const symbol = scope === '' ? name : `${scope}.${name}`;
    this.#symbols.set(symbol, file);
    return symbol;
  }
}
