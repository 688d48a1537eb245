import assert from 'node:assert/strict';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ClientDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { descriptors } from '../../fixtures/echo/echo.ts';
import { closeAll, type EchoServer, startEcho } from './support.ts';

interface Reply {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
  readonly allExtensionNumbersResponse?: { readonly extensionNumber: readonly number[] };
  readonly errorResponse?: { readonly errorCode: number };
}

const versions: ServiceDefinition[] = [];
new ReflectionService({}).addToServer({ addService: (definition) => versions.push(definition) });

const HTTP_OPTION = 72_295_728;

for (const definition of versions) {
  const [method] = Object.values(definition);
  describe(`server reflection at ${method?.path}`, () => {
    let server: EchoServer;
    before(async () => {
      server = await startEcho();
    });
    after(closeAll);

    const ask = (request: object): Promise<Reply> =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = method!;
        const call: ClientDuplexStream<object, Reply> = server
          .client(definition)
          .makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
        call.on('data', (reply) => {
          resolve(reply);
          call.end();
        });
        call.on('error', reject);
        call.write(request);
      });
    const filesOf = ({ fileDescriptorResponse }: Reply) =>
      (fileDescriptorResponse?.fileDescriptorProto ?? []).map((bytes) => Uint8Array.from(bytes));

    it('lists every service, its own and the health service among them', async () => {
      const { listServicesResponse } = await ask({ listServices: '*' });
      assert.deepEqual(
        listServicesResponse?.service.map(({ name }) => name),
        [
          'echopb.EchoService',
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ],
      );
    });

    it('serves files byte for byte, custom options included, with all that they import', async () => {
      const original = fromBinary(FileDescriptorSetSchema, descriptors).file.find(({ name }) => name === 'echo.proto')!;
      for (const fileContainingSymbol of ['echopb.EchoService', 'echopb.EchoService.Count', 'echopb.Item.summary']) {
        const [first, ...others] = filesOf(await ask({ fileContainingSymbol }));
        assert.deepEqual(first, toBinary(FileDescriptorProtoSchema, original));
        const file = [first!, ...others].map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)).reverse();
        assert.ok(file.some(({ name }) => name === 'google/api/http.proto'));
      }
      const [file] = filesOf(await ask({ fileByFilename: 'echo.proto' })).map((b) =>
        fromBinary(FileDescriptorProtoSchema, b),
      );
      assert.equal(file?.service[0]?.method[0]?.options?.$unknown?.[0]?.no, HTTP_OPTION);
    });

    it('knows the types of its own and of the health service', async () => {
      for (const fileContainingSymbol of ['grpc.health.v1.HealthCheckRequest', method!.path.slice(1).replace('/', '.')])
        assert.ok(filesOf(await ask({ fileContainingSymbol })).length > 0, fileContainingSymbol);
    });

    it('names the entries of maps as every client expects', async () => {
      const [bytes] = filesOf(await ask({ fileContainingSymbol: 'grpc.health.v1.HealthListResponse' }));
      const { messageType } = fromBinary(FileDescriptorProtoSchema, bytes!);
      const list = messageType.find(({ name }) => name === 'HealthListResponse');
      assert.deepEqual([list?.nestedType[0]?.name, list?.field[0]?.typeName], ['StatusesEntry', 'StatusesEntry']);
    });

    it('finds extensions by type and number', async () => {
      const type = 'google.protobuf.MethodOptions';
      const { allExtensionNumbersResponse } = await ask({ allExtensionNumbersOfType: type });
      assert.deepEqual(allExtensionNumbersResponse?.extensionNumber, [HTTP_OPTION]);
      const extension = { containingType: type, extensionNumber: HTTP_OPTION };
      const [file] = filesOf(await ask({ fileContainingExtension: extension }));
      assert.equal(fromBinary(FileDescriptorProtoSchema, file!).name, 'google/api/annotations.proto');
    });

    it('says NOT_FOUND for what is not served', async () => {
      for (const request of [
        { fileContainingSymbol: 'nope.Nope' },
        { fileByFilename: 'constructor' },
        { fileContainingExtension: { containingType: 'a.B', extensionNumber: 1 } },
        { allExtensionNumbersOfType: 'a.B' },
      ])
        assert.equal((await ask(request)).errorResponse?.errorCode, 5, JSON.stringify(request));
    });
  });
}
