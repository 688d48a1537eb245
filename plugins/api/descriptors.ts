import { create, createFileRegistry, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';

/** Descriptors that a plugin contributed, with the plugin's name for the errors. */
export interface DescriptorSource {
  readonly plugin: string;
  readonly descriptors: Uint8Array;
}

export interface MergedDescriptors {
  readonly registry: FileRegistry;
  /** A serialized FileDescriptorSet, imports first, each file byte for byte as it was contributed. */
  readonly bytes: Uint8Array;
}

interface RawFile {
  readonly plugin: string;
  readonly bytes: Uint8Array;
  readonly proto: FileDescriptorProto;
}

/** FileDescriptorSet.file. */
const FILE_FIELD = 1;
/** Files that many plugins bring in different editions, and that only ever grow. */
const SHARED_FILES = ['google/', 'buf/validate/'];

/**
 * Puts the contributed sets together. Throws an Error with a sentence for each problem: a file that two plugins
 * bring with different content, a type that two files define, an import that nobody brings.
 */
export function mergeDescriptors(sources: readonly DescriptorSource[]): MergedDescriptors {
  const problems: string[] = [];
  const files = new Map<string, RawFile>();
  const seen = new Set<Uint8Array>();
  for (const { plugin, descriptors } of sources) {
    if (seen.has(descriptors)) continue;
    seen.add(descriptors);
    for (const file of splitSet(plugin, descriptors)) {
      const known = files.get(file.proto.name);
      files.set(file.proto.name, known === undefined ? file : reconcile(known, file, problems));
    }
  }
  const sorted = importsFirst(files, problems);
  findDuplicateTypes(sorted, problems);
  if (problems.length > 0) throw new Error(problems.join('; '));

  const writer = new BinaryWriter();
  for (const { bytes } of sorted) writer.tag(FILE_FIELD, WireType.LengthDelimited).bytes(bytes);
  const set: FileDescriptorSet = create(FileDescriptorSetSchema, { file: sorted.map(({ proto }) => proto) });
  return { registry: createFileRegistry(set), bytes: writer.finish() };
}

function splitSet(plugin: string, set: Uint8Array): RawFile[] {
  const files: RawFile[] = [];
  try {
    const reader = new BinaryReader(set);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field !== FILE_FIELD || wireType !== WireType.LengthDelimited) {
        reader.skip(wireType, field);
        continue;
      }
      const bytes = reader.bytes();
      files.push({ plugin, bytes, proto: fromBinary(FileDescriptorProtoSchema, bytes) });
    }
  } catch (cause) {
    throw new Error(`plugin '${plugin}' contributes descriptors that are not a serialized FileDescriptorSet`, {
      cause,
    });
  }
  return files;
}

/** Compares without comments and positions: they say nothing about the interface. */
function reconcile(known: RawFile, other: RawFile, problems: string[]): RawFile {
  const [a, b] = [withoutSource(known), withoutSource(other)];
  if (Buffer.compare(a, b) === 0) return known;
  const { name } = known.proto;
  if (SHARED_FILES.some((prefix) => name.startsWith(prefix))) return b.length > a.length ? other : known;
  problems.push(
    `plugins '${known.plugin}' and '${other.plugin}' contribute '${name}' with different content: ` +
      'build both from the same file, or give one of the two another name and package',
  );
  return known;
}

function withoutSource({ proto: { sourceCodeInfo: _, ...rest } }: RawFile): Uint8Array {
  return toBinary(FileDescriptorProtoSchema, rest);
}

/** The registry takes a file only after its imports. */
function importsFirst(files: ReadonlyMap<string, RawFile>, problems: string[]): RawFile[] {
  const sorted = new Set<RawFile>();
  const visit = (file: RawFile) => {
    if (sorted.has(file)) return;
    for (const name of file.proto.dependency) {
      const imported = files.get(name);
      if (imported) visit(imported);
      else
        problems.push(`plugin '${file.plugin}' contributes '${file.proto.name}' without '${name}', which it imports`);
    }
    sorted.add(file);
  };
  for (const file of files.values()) visit(file);
  return [...sorted];
}

/** The registry would keep the last of two types with one name, in silence. */
function findDuplicateTypes(files: readonly RawFile[], problems: string[]): void {
  const owners = new Map<string, RawFile>();
  for (const file of files)
    for (const { name } of [...file.proto.messageType, ...file.proto.enumType, ...file.proto.service]) {
      const typeName = file.proto.package === '' ? name : `${file.proto.package}.${name}`;
      const owner = owners.get(typeName);
      if (owner === undefined) owners.set(typeName, file);
      else
        problems.push(
          `plugins '${owner.plugin}' and '${file.plugin}' both define '${typeName}', in '${owner.proto.name}' and ` +
            `'${file.proto.name}': give one of the two another package`,
        );
    }
}
