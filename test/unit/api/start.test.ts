import assert from 'node:assert/strict';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  DescriptorProtoSchema,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { ServiceContribution } from '../../../core/contracts/api.ts';
import { descriptors as ownDescriptors } from '../../../proto/descriptors.ts';
import { definitionOf, descriptors, echoService } from '../../fixtures/echo/echo.ts';
import { bootWith, COUNT, contributor, ECHO } from './support.ts';

/** The fixture's descriptors with its files changed; a file is dropped where the change returns nothing. */
function changed(change: (file: FileDescriptorProto) => FileDescriptorProto | undefined): Uint8Array {
  const { file } = fromBinary(FileDescriptorSetSchema, descriptors);
  return toBinary(
    FileDescriptorSetSchema,
    create(FileDescriptorSetSchema, { file: file.flatMap((f) => change(f) ?? []) }),
  );
}

async function refusal(...services: (readonly [string, ServiceContribution])[]): Promise<string> {
  let booted: Awaited<ReturnType<typeof bootWith>>;
  try {
    booted = await bootWith(services.map(([name, service]) => contributor(name, service)));
  } catch (error) {
    return String(error);
  }
  await booted.running.stop();
  throw new Error('expected the boot to fail');
}

describe('the start of the api plugin', () => {
  const echo = echoService();

  it('offers every contributed method with its descriptor and policy', async () => {
    const { running, api, method } = await bootWith([contributor('echo', echo)]);
    assert.deepEqual([...api.methods.keys()].sort(), [COUNT, ECHO]);
    const { service, name, responseStream, policy, descriptor } = method(COUNT);
    assert.deepEqual(
      { service, name, responseStream },
      { service: 'echopb.EchoService', name: 'Count', responseStream: true },
    );
    assert.deepEqual(policy, { access: 'anyone', effect: 'read' });
    assert.equal(descriptor.input.typeName, 'echopb.CountRequest');
    await running.stop();
  });

  it('keeps every byte of the contributed files, options included', async () => {
    const { running, api } = await bootWith([contributor('echo', echo)]);
    const files = (set: Uint8Array) =>
      new Map(
        fromBinary(FileDescriptorSetSchema, set).file.map((f) => [f.name, toBinary(FileDescriptorProtoSchema, f)]),
      );
    assert.deepEqual(files(api.descriptors), files(descriptors));
    assert.equal(api.descriptors.length, descriptors.length);
    const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, api.descriptors)).getService(
      'echopb.EchoService',
    );
    assert.equal(service?.method['echo']?.proto.options?.$unknown?.[0]?.no, 72_295_728);
    await running.stop();
  });

  it('takes descriptors of several builds that differ in comments and in shared files', async () => {
    const other: ServiceContribution = { definition: {}, descriptors: ownDescriptors, handlers: {}, policy: {} };
    const { running, api } = await bootWith([contributor('aaa', other), contributor('echo', echo)]);
    assert.ok(api.registry.getMessage('issuepb.Issue'));
    assert.ok(api.registry.getMessage('echopb.Item'));
    await running.stop();
  });

  it('keeps the larger of two editions of a shared file, whoever brings it', async () => {
    const larger = changed((file) =>
      file.name === 'buf/validate/validate.proto'
        ? { ...file, messageType: [...file.messageType, create(DescriptorProtoSchema, { name: 'MoreRules' })] }
        : file,
    );
    const bigger: ServiceContribution = { definition: {}, descriptors: larger, handlers: {}, policy: {} };
    for (const [first, second] of [
      [bigger, echo],
      [echo, bigger],
    ] as const) {
      const { running, api } = await bootWith([contributor('one', first), contributor('two', second)]);
      assert.ok(api.registry.getMessage('buf.validate.MoreRules'));
      await running.stop();
    }
  });

  it('refuses two contents under one file name, and names both plugins', async () => {
    const twisted = changed((file) =>
      file.name === 'echo.proto' ? { ...file, service: file.service.slice(1), options: undefined } : file,
    );
    const message = await refusal(
      ['one', echo],
      ['two', { definition: {}, descriptors: twisted, handlers: {}, policy: {} }],
    );
    assert.match(message, /plugins 'one' and 'two' contribute 'echo.proto' with different content/);
  });

  it('refuses one type in two files, and names both', async () => {
    const renamed = changed((file) => (file.name === 'echo.proto' ? { ...file, name: 'other.proto' } : file));
    const message = await refusal(
      ['one', echo],
      ['two', { definition: {}, descriptors: renamed, handlers: {}, policy: {} }],
    );
    assert.match(
      message,
      /plugins 'one' and 'two' both define 'echopb.EchoRequest', in 'echo.proto' and 'other.proto'/,
    );
  });

  it('refuses descriptors without a file that is imported, and bytes that are no descriptors', async () => {
    const lacking = changed((file) => (file.name === 'buf/validate/validate.proto' ? undefined : file));
    assert.match(
      await refusal(['one', { ...echo, descriptors: lacking }]),
      /plugin 'one' contributes 'echo.proto' without 'buf\/validate\/validate.proto', which it imports/,
    );
    assert.match(
      await refusal(['one', { ...echo, descriptors: Buffer.from('no descriptors') }]),
      /plugin 'one' contributes descriptors that are not a serialized FileDescriptorSet/,
    );
  });

  it('refuses a method without handler or without policy', async () => {
    const { echo: _handler, ...handlers } = echo.handlers;
    assert.match(
      await refusal(['one', { ...echo, handlers }]),
      /plugin 'one': \/echopb.EchoService\/Echo has no handler/,
    );
    const { count: _policy, ...policy } = echo.policy;
    assert.match(
      await refusal(['one', { ...echo, policy }]),
      /plugin 'one': \/echopb.EchoService\/Count has no policy/,
    );
  });

  it('refuses a policy of a kind that there is not', async () => {
    const count = { access: 'everybody', effect: 'read' } as never;
    assert.match(
      await refusal(['one', { ...echo, policy: { ...echo.policy, count } }]),
      /plugin 'one': policy.count of .* must have an access of anyone, caller, admin/,
    );
  });

  it('refuses a handler and a policy for no method', async () => {
    const stray = echo.policy['echo']!;
    const message = await refusal([
      'one',
      { ...echo, handlers: { ...echo.handlers, shout: () => ({}) }, policy: { ...echo.policy, whisper: stray } },
    ]);
    assert.match(message, /plugin 'one': handlers.shout belongs to no method/);
    assert.match(message, /plugin 'one': policy.whisper belongs to no method/);
  });

  it('refuses a definition that the descriptors lack, and a described method that is not defined', async () => {
    const { count, ...definition } = echo.definition;
    const message = await refusal([
      'one',
      { ...echo, definition: { ...definition, count: { ...count!, path: '/echopb.EchoService/CountDown' } } },
    ]);
    assert.match(message, /plugin 'one': 'count' is defined as \/echopb.EchoService\/CountDown, which is in none/);
    assert.match(message, /plugin 'one': \/echopb.EchoService\/Count is in the descriptors and not in the definition/);
  });

  it('refuses a method that streams both ways', async () => {
    const chat: ServiceContribution = {
      definition: definitionOf('echopb.ChatService'),
      descriptors,
      handlers: { chat: () => ({}) },
      policy: { chat: echo.policy['echo']! },
    };
    assert.match(
      await refusal(['one', chat]),
      /plugin 'one': \/echopb.ChatService\/Chat streams its request and its response/,
    );
  });

  it('refuses one service of two plugins, and names both', async () => {
    assert.match(
      await refusal(['one', echo], ['two', echo]),
      /plugin 'two': service 'echopb.EchoService' is already contributed by plugin 'one'/,
    );
  });

  it('refuses rules that cannot be compiled', async () => {
    // Rule 6 of a string field is its pattern; here a pattern that is none.
    const broken = Buffer.from(descriptors);
    const at = broken.indexOf('\\S');
    broken.write('(?', at);
    const message = await refusal(['one', { ...echo, descriptors: broken }]);
    assert.match(
      message,
      /plugin 'one': \/echopb.EchoService\/Echo: the rules of echopb.EchoRequest cannot be compiled/,
    );
  });
});
