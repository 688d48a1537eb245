import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { DescMessage, FileRegistry } from '@bufbuild/protobuf';
import { create, createFileRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { MessageWriters } from '../../../plugins/rest/json-message.ts';
import { JsonWriters } from '../../../plugins/rest/json-writer.ts';
import { TextReader } from '../../../plugins/rest/text-reader.ts';
import { fixture, tracker } from './harness.ts';
import { drawMessage } from './wire.ts';

const registryOf = (bytes: Uint8Array) => createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
const registry = registryOf(readFileSync(new URL('../../fixtures/json/kinds.binpb', import.meta.url)));
const typeOf = (name: string) => registry.getMessage(`json.test.${name}`)!;

/** The JSON that protobuf-es makes of the bytes; undefined where it makes none. */
function reference(type: DescMessage, bytes: Uint8Array, registry: FileRegistry): string | undefined {
  try {
    return JSON.stringify(toJson(type, fromBinary(type, bytes), { registry, alwaysEmitImplicit: true }));
  } catch {
    return undefined;
  }
}

function written(writers: JsonWriters, type: DescMessage, bytes: Uint8Array): string | undefined {
  try {
    return writers.of(type, undefined)(bytes).body;
  } catch {
    return undefined;
  }
}

const messagesOf = (registry: FileRegistry) => [...registry].filter((type) => type.kind === 'message');

describe('the JSON writer', () => {
  const compare = (registry: FileRegistry, types: readonly DescMessage[], odd: boolean, numRuns: number) => {
    const writers = new JsonWriters(registry);
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.gen(), (type, draw) => {
        const bytes = drawMessage(draw, type, { odd });
        assert.equal(written(writers, type, bytes), reference(type, bytes, registry), type.typeName);
      }),
      { numRuns },
    );
  };

  it('writes what protobuf-es writes, for every kind of field in every order and number', () => {
    compare(
      registry,
      messagesOf(registry).filter(({ typeName }) => typeName.startsWith('json.test.')),
      false,
      3000,
    );
  });

  it('writes, and refuses, what protobuf-es does, for odd and damaged bytes', () => {
    compare(
      registry,
      messagesOf(registry).filter(({ typeName }) => typeName.startsWith('json.test.')),
      true,
      3000,
    );
  });

  it('does so for the messages of the tracker and of the gateway', () => {
    for (const descriptors of [tracker, fixture]) {
      const registry = registryOf(descriptors);
      const types = messagesOf(registry).filter(({ file }) => !file.name.startsWith('google/'));
      compare(registry, types, true, 500);
    }
  });

  it('cuts nothing off: bytes that end too soon are refused as by protobuf-es', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(typeOf('Kinds'), typeOf('Lists'), typeOf('Maps')),
        fc.gen(),
        fc.nat(),
        (type, draw, n) => {
          const whole = drawMessage(draw, type, { odd: false });
          const bytes = whole.subarray(0, n % (whole.length + 1));
          assert.equal(written(new JsonWriters(registry), type, bytes), reference(type, bytes, registry));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('needs no help of protobuf-es for what an encoder writes', () => {
    const writers = new MessageWriters(registry);
    const types = ['Kinds', 'Lists', 'Maps', 'Names', 'Resource'].map(typeOf);
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.gen(), (type, draw) => {
        const drawn = drawMessage(draw, type, { odd: false });
        const expected = reference(type, drawn, registry);
        // A time that is out of range has no JSON form, and U+FFFD is always looked at twice.
        fc.pre(expected?.includes('\ufffd') === false);
        const bytes = toBinary(type, fromBinary(type, drawn));
        assert.equal(writers.of(type)(new TextReader(bytes), bytes.length), expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('finds the etag on its way', () => {
    const type = typeOf('Resource');
    const write = new JsonWriters(registry).of(type, ['item', 'etag']);
    const etagOf = (json: object) => write(toBinary(type, fromJson(type, json as never))).noted;
    assert.equal(etagOf({ item: { first: 'a', etag: '7' } }), '7');
    assert.equal(etagOf({ item: { etag: 'q"\\é' } }), 'q"\\é');
    assert.equal(etagOf({ item: {} }) ?? '', '');
    assert.equal(etagOf({}), undefined);
  });

  it('takes the last etag of a resource that comes in parts', () => {
    const type = typeOf('Resource');
    const item = (etag: string) => toBinary(type, fromJson(type, { item: { first: etag, etag } }));
    const bytes = Buffer.concat([item('1'), item('2'), Buffer.from(toBinary(type, fromJson(type, { item: {} })))]);
    const { body, noted } = new JsonWriters(registry).of(type, ['item', 'etag'])(bytes);
    assert.equal(noted, '2');
    assert.equal(body, reference(type, bytes, registry));
  });

  it('finds the etag of a resource that only protobuf-es can read', () => {
    const type = typeOf('Foreign');
    const bytes = toBinary(type, fromJson(type, { item: { must: 'a', etag: '3' } }));
    assert.equal(new JsonWriters(registry).of(type, ['item', 'etag'])(bytes).noted, '3');
  });

  it('reads as deep as protobuf-es', () => {
    const type = typeOf('Kinds');
    const writers = new JsonWriters(registry);
    for (const depth of [1, 63, 64, 65, 98, 99, 100, 101]) {
      let bytes: Uint8Array = new Uint8Array();
      for (let n = 0; n < depth; n++)
        bytes = new BinaryWriter().tag(17, WireType.LengthDelimited).bytes(bytes).finish();
      assert.equal(written(writers, type, bytes), reference(type, bytes, registry), `${depth}`);
    }
  });

  it('lets what protobuf-es reads inside it be as deep as that, and no deeper', () => {
    const known = typeOf('Known');
    const writers = new JsonWriters(registry);
    const list = registry.getMessage('google.protobuf.ListValue')!;
    for (const depth of [10, 40, 47, 48, 49, 50, 51, 60]) {
      let json: unknown[] = [];
      for (let n = 0; n < depth; n++) json = [json];
      const values = toBinary(list, fromJson(list, json as never));
      const inner = new BinaryWriter().tag(6, WireType.LengthDelimited).bytes(values).finish();
      const bytes = new BinaryWriter().tag(13, WireType.LengthDelimited).bytes(inner).finish();
      assert.equal(written(writers, known, bytes), reference(known, bytes, registry), `${depth}`);
    }
  });

  it('writes an empty message with everything that is never absent', () => {
    const type = typeOf('Names');
    const { body } = new JsonWriters(registry).of(type, undefined)(toBinary(type, create(type)));
    assert.equal(body, '{"first":"","etag":"","__proto__":"","last":""}');
  });
});
