import assert from 'node:assert/strict';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Change } from '../../../core/contracts/log.ts';
import { uuidv7 } from '../../../core/lib/uuid.ts';
import { batches } from '../../../plugins/transport-kafka/relay/batches.ts';
import { EventWriter, MAX_BYTES } from '../../../plugins/transport-kafka/relay/event.ts';
import { descriptors } from '../../../proto/descriptors.ts';
import { User } from '../../../proto/gen/user/v2/user.ts';

const message = (value: string) => ({ topic: 'events', key: 'k', value, headers: {} });
const lengths = (values: readonly string[], maxBytes: number) =>
  [...batches(values.map(message), maxBytes)].map((batch) => batch.length);

describe('the batches of a relay', () => {
  it('have so many bytes of UTF-8 at most, and a larger message goes alone', () => {
    assert.deepEqual(lengths(['aaaa', 'bbbb', 'cc', 'dddddddddddd', 'e'], 10), [3, 1, 1]);
    assert.deepEqual(lengths(['ééé', 'ééé'], 10), [1, 1]);
    assert.deepEqual(lengths([], 10), []);
  });

  it('have 500 messages at most, in their order', () => {
    const values = Array.from({ length: 1_001 }, (_, n) => `${n}`);
    const all = [...batches(values.map(message), 1_000_000)];
    assert.deepEqual(
      all.map((batch) => batch.length),
      [500, 500, 1],
    );
    assert.deepEqual(
      all.flat().map(({ value }) => value),
      values,
    );
  });
});

describe('an event for Kafka', () => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const id = uuidv7();
  const change: Change = {
    seq: 7,
    id,
    transaction: id,
    scope: `users/${id}`,
    revision: 1,
    ordinal: 0,
    time: 1_700_000_000_000_000,
    actor: null,
    entity: 'user',
    entityId: id,
    kind: 'UPDATED',
    fields: ['name'],
    after: {},
    context: null,
  };
  /** With a user of such a name behind the change. */
  const written = (name: string) => {
    const value = User.encode(User.fromPartial({ id, name })).finish();
    const shown = () => ({ typeUrl: 'type.googleapis.com/userpb.v2.User', value: Buffer.from(value) });
    const writer = new EventWriter('a store', { shown }, registry, (topic) => `prefix.${topic}`);
    return writer.write(change);
  };

  it('goes to the topic of its entity, by the key of its scope, with what is there after the change', () => {
    const { topic, key, value, headers } = written('Ann');
    assert.deepEqual([topic, key, headers['event-id']], ['prefix.users', id, id]);
    assert.equal(JSON.parse(value).after.name, 'Ann');
  });

  it('leaves out what is there after the change where the brokers would refuse it as too large', () => {
    const { value } = written('é'.repeat(MAX_BYTES / 2));
    const { after, entityId } = JSON.parse(value);
    assert.deepEqual([after ?? null, entityId], [null, id]);
    assert.ok(Buffer.byteLength(value) <= MAX_BYTES);
  });
});
