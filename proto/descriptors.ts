import { readFileSync } from 'node:fs';

/** The tracker's own proto files with all that they import, as a serialized google.protobuf.FileDescriptorSet. */
export const descriptors: Uint8Array = readFileSync(new URL('./gen/descriptors.binpb', import.meta.url));
