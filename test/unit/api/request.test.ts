import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { bytesOf, type EchoRequest, echoService, messageOf, messageType } from '../../fixtures/echo/echo.ts';
import { type Booted, bootEcho, bootWith, contributor, decodeStatus, ECHO, failure, origin } from './support.ts';

describe('a request in the call pipeline', () => {
  let booted: Booted;
  let received: EchoRequest[] = [];
  before(async () => {
    booted = await bootEcho({
      echo(request) {
        received.push(request);
        return { text: request.text };
      },
    });
  });
  beforeEach(() => {
    received = [];
  });
  after(() => booted.running.stop());

  const send = (bytes: Uint8Array) => booted.api.unary(booted.method(ECHO), bytes, origin());
  const refused = async (request: Uint8Array | object) => {
    const message = request instanceof Uint8Array ? request : create(messageType('EchoRequest'), request as never);
    const error = await failure(booted.api.unary(booted.method(ECHO), message, origin()));
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.deepEqual(received, [], 'the handler ran');
    assert.deepEqual(
      decodeStatus(error.status).violations.map(({ field, description, reason }) => ({ field, description, reason })),
      error.fields,
    );
    return error;
  };
  const fieldsOf = async (request: Uint8Array | object) => (await refused(request)).fields.map(({ field }) => field);

  it('reaches the handler, and its response comes back as bytes', async () => {
    const response = await send(bytesOf('EchoRequest', { text: 'grüße 👋', labels: { a: 'b' } }));
    assert.equal(messageOf<EchoRequest>('EchoResponse', response).text, 'grüße 👋');
    assert.deepEqual({ ...received[0]?.labels }, { a: 'b' });
  });

  it('may come as a message of the registry', async () => {
    const type = booted.api.registry.getMessage('echopb.EchoRequest')!;
    await booted.api.unary(booted.method(ECHO), create(type, { text: 'hello' } as never), origin());
    assert.equal(received[0]?.text, 'hello');
  });

  it('is refused with every violation, each with path, rule and what is allowed', async () => {
    const error = await refused(
      bytesOf('EchoRequest', { items: [{}, {}, { summary: 'x'.repeat(11) }], item: { summary: 'y'.repeat(12) } }),
    );
    assert.deepEqual(error.fields, [
      { field: 'text', description: 'must not be empty', reason: 'string.min_len' },
      { field: 'text', description: 'must not be blank', reason: 'string.pattern' },
      { field: 'items[2].summary', description: 'must be at most 10 characters', reason: 'string.max_len' },
      { field: 'item.summary', description: 'must be at most 10 characters', reason: 'string.max_len' },
    ]);
    assert.equal(error.reason, 'INVALID_FIELD');
    assert.equal(error.message, 'text: must not be empty (and 3 more)');
  });

  it('is refused with 25 violations at most', async () => {
    const items = Array.from({ length: 60 }, () => ({ summary: 'much too long' }));
    assert.equal((await refused(bytesOf('EchoRequest', { text: 'x', items }))).fields.length, 25);
  });

  it('never has its values in the error', async () => {
    const secret = `hunter2${'!'.repeat(100)}`;
    const error = await refused(bytesOf('EchoRequest', { text: secret, items: [{ summary: 'hunter2hunter2' }] }));
    assert.doesNotMatch(Buffer.from(error.status).toString('latin1') + error.message, /hunter2/);
  });

  it('is refused when its bytes are damaged, or its text is not UTF-8', async () => {
    const good = bytesOf('EchoRequest', { text: 'hello' });
    for (const bytes of [good.subarray(0, 4), Buffer.from([10, 2, 0xc3, 0x28]), Buffer.from([10, 3, 0xed, 0xa0, 0x80])])
      assert.equal((await refused(bytes)).reason, 'MALFORMED_REQUEST');
  });

  it('is refused when text holds U+0000, wherever it is', async () => {
    assert.deepEqual(await fieldsOf(bytesOf('EchoRequest', { text: 'a\0b' })), ['text']);
    assert.deepEqual(await fieldsOf(bytesOf('EchoRequest', { text: 'a', items: [{}, { summary: '\0' }] })), [
      'items[1].summary',
    ]);
    assert.deepEqual(await fieldsOf(bytesOf('EchoRequest', { text: 'a', labels: { k: '\0', '\0': 'v' } })), [
      'labels["k"]',
      'labels',
    ]);
    assert.deepEqual(await fieldsOf({ text: 'a', item: create(messageType('Item'), { summary: '\0' } as never) }), [
      'item.summary',
    ]);
  });

  it('is refused when a message holds a lone surrogate', async () => {
    assert.deepEqual(await fieldsOf({ text: 'a\ud800' }), ['text']);
  });

  it('may hold zero bytes where they are no text', async () => {
    await send(bytesOf('EchoRequest', { text: 'a', blob: new Uint8Array(4) }));
    assert.deepEqual([...received[0]!.blob], [0, 0, 0, 0]);
  });

  it('is decoded for the handler from what was validated, not from the bytes that came', async () => {
    const seen: Buffer[] = [];
    const service = echoService();
    const echo = service.definition['echo']!;
    const requestDeserialize = (bytes: Buffer) => {
      seen.push(Buffer.from(bytes));
      return echo.requestDeserialize(bytes);
    };
    const definition = { ...service.definition, echo: { ...echo, requestDeserialize } };
    const { running, api, method } = await bootWith([contributor('echo', { ...service, definition })]);
    // Two halves of one nested message: some decoders merge them, others take the last.
    const halves = Buffer.concat([
      bytesOf('EchoRequest', { text: 'a', item: { summary: 'kept' } }),
      bytesOf('EchoRequest', { item: {} }),
    ]);
    await api.unary(method(ECHO), halves, origin());
    assert.deepEqual(seen, [bytesOf('EchoRequest', { text: 'a', item: { summary: 'kept' } })]);
    await running.stop();
  });
});
