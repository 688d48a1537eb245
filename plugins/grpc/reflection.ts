import { type Server, type ServerDuplexStream, type ServiceDefinition, status } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import type { OpenStreams } from '../../core/lib/open-streams.ts';
import { DescriptorIndex } from './descriptor-index.ts';
import { filesOf, serviceName } from './infrastructure.ts';

/** As @grpc/reflection decodes it: the name of the field that is set, and that field. */
interface Request {
  readonly host?: string;
  readonly messageRequest?: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly fileContainingExtension?: { readonly containingType: string; readonly extensionNumber: number };
  readonly allExtensionNumbersOfType?: string;
}
type Call = ServerDuplexStream<Request, object>;

/**
 * Server reflection, v1 and v1alpha. @grpc/reflection has the two service definitions; its handlers encode the
 * files anew without their custom options (google.api.http, buf.validate), ours send the bytes as they were built.
 */
export function addReflection(
  server: Server,
  descriptors: Uint8Array,
  services: readonly string[],
  infrastructure: readonly ServiceDefinition[],
  streams: OpenStreams,
): void {
  const definitions: ServiceDefinition[] = [];
  new ReflectionService({}).addToServer({ addService: (definition) => definitions.push(definition) });
  const index = new DescriptorIndex();
  index.addSet(descriptors);
  const names = [...services];
  for (const definition of [...infrastructure, ...definitions]) {
    for (const file of filesOf(definition)) index.addFile(file);
    names.push(serviceName(definition));
  }
  names.sort();
  const reflect = (call: Call) => serve(call, (request) => reply(request, index, names), streams);
  for (const definition of definitions)
    server.addService(definition, Object.fromEntries(Object.keys(definition).map((name) => [name, reflect])));
}

function serve(call: Call, answer: (request: Request) => object, streams: OpenStreams): void {
  const closed = streams.add(() => call.end());
  call.on('data', (request: Request) => {
    if (!call.write(answer(request))) call.pause();
  });
  call.on('drain', () => call.resume());
  call.on('end', () => call.end());
  call.on('close', closed);
}

function reply(request: Request, index: DescriptorIndex, services: readonly string[]): object {
  const base = { validHost: request.host, originalRequest: request };
  const files = (name: string | undefined) => {
    const fileDescriptorProto = name === undefined ? [] : index.withImports(name);
    return fileDescriptorProto.length > 0 ? { fileDescriptorResponse: { fileDescriptorProto } } : notFound();
  };
  const body = () => {
    switch (request.messageRequest) {
      case 'listServices':
        return { listServicesResponse: { service: services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return files(request.fileByFilename);
      case 'fileContainingSymbol':
        return files(index.fileOfSymbol(request.fileContainingSymbol ?? ''));
      case 'fileContainingExtension': {
        const { containingType = '', extensionNumber = 0 } = request.fileContainingExtension ?? {};
        return files(index.extensionsOf(containingType)?.get(extensionNumber));
      }
      case 'allExtensionNumbersOfType': {
        const baseTypeName = request.allExtensionNumbersOfType ?? '';
        const extensions = index.extensionsOf(baseTypeName);
        if (extensions === undefined) return notFound();
        return { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [...extensions.keys()] } };
      }
      default:
        return { errorResponse: { errorCode: status.UNIMPLEMENTED, errorMessage: 'an unknown kind of request' } };
    }
  };
  return { ...base, ...body() };
}

function notFound(): object {
  return { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: 'nothing of that name is served here' } };
}
