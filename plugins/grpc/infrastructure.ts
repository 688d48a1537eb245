import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { ServiceDefinition } from '@grpc/grpc-js';

/** The name of the service that a definition is of. */
export function serviceName(definition: ServiceDefinition): string {
  const path = Object.values(definition)[0]?.path ?? '';
  return path.slice(1, path.lastIndexOf('/'));
}

/** The serialized files of a service that proto-loader has loaded: it leaves them with the types of the methods. */
export function filesOf(definition: ServiceDefinition): Uint8Array[] {
  const [method] = Object.values(definition);
  const { requestType } = method as unknown as { requestType: { fileDescriptorProtos: readonly Uint8Array[] } };
  return requestType.fileDescriptorProtos.map((bytes) => {
    const file = fromBinary(FileDescriptorProtoSchema, bytes);
    file.messageType.forEach(nameMapEntries);
    return toBinary(FileDescriptorProtoSchema, file);
  });
}

/** protobufjs gives the entries of a map a name that clients written in Go refuse the whole file for. */
function nameMapEntries(message: DescriptorProto): void {
  for (const entry of message.nestedType) {
    if (!entry.options?.mapEntry || entry.name.endsWith('Entry')) continue;
    const field = message.field.find(({ typeName }) => typeName === entry.name);
    entry.name += 'Entry';
    if (field) field.typeName = entry.name;
  }
  message.nestedType.forEach(nameMapEntries);
}
