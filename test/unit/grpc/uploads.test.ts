import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientWritableStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Call } from '../../../core/contracts/api.ts';
import { failedPrecondition } from '../../../core/contracts/errors.ts';
import { definitionOf, type EchoRequest, uploadService } from '../../fixtures/echo/echo.ts';
import { contributor, decodeStatus } from '../api/support.ts';
import { closeAll, type Echoed, type EchoServer, startEcho } from './support.ts';

interface Upload {
  readonly call: ClientWritableStream<object>;
  readonly ended: Promise<{ readonly error: ServiceError | null; readonly response: Echoed | undefined }>;
}

type Handle = (requests: AsyncIterable<EchoRequest>, call: Call) => unknown;

async function joined(requests: AsyncIterable<EchoRequest>): Promise<object> {
  const texts: string[] = [];
  for await (const { text } of requests) texts.push(text);
  return { text: texts.join(' ') };
}

describe('a call over gRPC that streams its request', () => {
  let server: EchoServer;
  let handle: Handle;
  beforeEach(async () => {
    handle = joined;
    const service = uploadService((requests, call) => handle(requests, call));
    server = await startEcho({}, { plugins: [contributor('uploads', service)] });
  });
  afterEach(closeAll);

  function upload(metadata = new Metadata()): Upload {
    const { path, requestSerialize, responseDeserialize } = definitionOf('echopb.UploadService')['upload']!;
    const { promise, resolve } = Promise.withResolvers<Awaited<Upload['ended']>>();
    const decode = (bytes: Buffer) => responseDeserialize(bytes) as unknown as Echoed;
    const client = server.client(definitionOf('echopb.UploadService'));
    const call = client.makeClientStreamRequest(path, requestSerialize, decode, metadata, (error, response) =>
      resolve({ error, response }),
    );
    return { call, ended: promise };
  }

  it('gives the handler each message, and answers when they have ended', async () => {
    const { call, ended } = upload();
    for (const text of ['one', 'two', 'three']) call.write({ text });
    call.end();
    const { error, response } = await ended;
    assert.equal(error, null);
    assert.equal(response?.text, 'one two three');
  });

  it('refuses a message that is not valid, and gives the handler those before it', async () => {
    const taken: string[] = [];
    handle = async (requests) => {
      for await (const { text } of requests) taken.push(text);
    };
    const { call, ended } = upload();
    for (const text of ['one', '', 'three']) call.write({ text });
    const { error } = await ended;
    assert.equal(error?.code, status.INVALID_ARGUMENT);
    const [details] = error.metadata.get('grpc-status-details-bin');
    assert.equal(decodeStatus(details as Buffer).violations[0]?.field, 'text');
    assert.deepEqual(taken, ['one']);
  });

  it('answers before all has come, and reads no further', async () => {
    handle = async (requests) => {
      for await (const _ of requests) throw failedPrecondition('ENOUGH', 'that is enough');
    };
    const { call, ended } = upload();
    const blob = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 20; i++) call.write({ text: 'big', blob });
    const { error } = await ended;
    assert.equal(error?.code, status.FAILED_PRECONDITION);
    assert.equal(error.details, 'that is enough');
  });

  it('ends for its handler when the caller cancels', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    handle = async (requests, { signal }) => {
      try {
        for await (const _ of requests) begin();
        resolve('the messages ended as if all had come');
      } catch {
        resolve(signal.aborted);
      }
    };
    const { call, ended } = upload();
    call.write({ text: 'one' });
    await begun;
    call.cancel();
    assert.equal((await ended).error?.code, status.CANCELLED);
    assert.equal(await promise, true);
  });

  it('ends as UNAVAILABLE when the server drains', async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    handle = async (requests) => {
      for await (const _ of requests) begin();
    };
    const { call, ended } = upload();
    call.write({ text: 'one' });
    await begun;
    await server.running.stop();
    assert.equal((await ended).error?.code, status.UNAVAILABLE);
  });

  it('takes no idempotency key', async () => {
    const metadata = new Metadata();
    metadata.set('idempotency-key', 'k');
    const { error } = await upload(metadata).ended;
    assert.equal(error?.code, status.FAILED_PRECONDITION);
  });

  it('does not read on while its handler does not', async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    let taken = 0;
    handle = async (requests) => {
      for await (const _ of requests) {
        taken++;
        await opened;
      }
      return {};
    };
    const { call, ended } = upload();
    const blob = new Uint8Array(1024 * 1024);
    let full = false;
    for (let i = 0; i < 100 && !full; i++) full = !call.write({ text: 'big', blob });
    assert.ok(full, 'the client never had to wait');
    assert.ok(taken <= 1);
    open();
    await once(call, 'drain');
    call.end();
    assert.equal((await ended).error, null);
  });
});
