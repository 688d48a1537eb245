import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { Metadata, status } from '@grpc/grpc-js';
import type { Call } from '../../../core/contracts/api.ts';
import { DomainError } from '../../../core/contracts/errors.ts';
import { bytesOf } from '../../fixtures/echo/echo.ts';
import { decodeStatus } from '../api/support.ts';
import { closeAll, type EchoServer, failed, read, startEcho } from './support.ts';

describe('a unary call over gRPC', () => {
  let server: EchoServer;
  let behave: (call: Call) => unknown = () => ({});
  before(async () => {
    server = await startEcho({ echo: ({ text, blob }, call) => behave(call) ?? { text, blob } });
  });
  beforeEach(() => {
    behave = () => undefined;
  });
  after(closeAll);

  it('answers, with its request id in the initial metadata', async () => {
    const metadata = new Metadata();
    metadata.set('x-request-id', 'mine-7');
    const { response, headers } = await server.echo({ text: 'grüße' }, { metadata });
    assert.equal(response.text, 'grüße');
    assert.deepEqual(headers.get('x-request-id'), ['mine-7']);
  });

  it('fails with code, message and google.rpc details, and with its request id', async () => {
    behave = () => {
      throw new DomainError('NOT_FOUND', 'ISSUE_NOT_FOUND', 'issue CORE-1 döes not exist', {
        metadata: { id: 'CORE-1' },
      });
    };
    const error = await failed(server.echo({ text: 'a' }));
    assert.equal(error.code, status.NOT_FOUND);
    assert.equal(error.details, 'issue CORE-1 döes not exist');
    const [details] = error.metadata.get('grpc-status-details-bin');
    const decoded = decodeStatus(details as Buffer);
    assert.equal(decoded.code, 5);
    assert.equal(decoded.message, error.details);
    assert.equal(decoded.info?.reason, 'ISSUE_NOT_FOUND');
    assert.deepEqual(decoded.info?.metadata, { id: 'CORE-1' });
    assert.match(String(error.metadata.get('x-request-id')[0]), /^[0-9a-f-]{36}$/);
    assert.equal(error.headers, undefined, 'a client may retry only where no initial metadata came');
  });

  it('is refused with the violations of its request', async () => {
    const error = await failed(server.echo({ text: '' }));
    assert.equal(error.code, status.INVALID_ARGUMENT);
    const [details] = error.metadata.get('grpc-status-details-bin');
    assert.deepEqual(
      decodeStatus(details as Buffer).violations.map(({ field }) => field),
      ['text', 'text'],
    );
  });

  it('survives what handlers throw: rejections, lone surrogates, endless text', async () => {
    for (const thrown of [
      new Error('boom'),
      undefined,
      new DomainError('ABORTED', 'A\ud800', `\udfff\n${'x'.repeat(1e6)}`, { metadata: { '\ud800': '\ud800' } }),
    ]) {
      behave = async () => {
        throw thrown;
      };
      const error = await failed(server.echo({ text: 'a' }));
      assert.equal(error.code, thrown instanceof DomainError ? status.ABORTED : status.INTERNAL);
    }
    behave = () => undefined;
    assert.equal((await server.echo({ text: 'alive' })).response.text, 'alive');
  });

  it('brings its deadline to the handler, and ends at it', async () => {
    const deadline = Date.now() + 2_000;
    const { promise, resolve } = Promise.withResolvers<Call>();
    behave = (call) => {
      call.signal.addEventListener('abort', () => resolve(call));
      return new Promise(() => {});
    };
    assert.equal((await failed(server.echo({ text: 'a' }, { deadline }))).code, status.DEADLINE_EXCEEDED);
    const call = await promise;
    // Counted anew from when it came: on the wire it is how long there is.
    assert.ok(Math.abs(call.deadline - deadline) < 2_000, `${call.deadline} is not ${deadline}`);
    // The client counts too, and cancels: the server learns of that before or behind its own deadline.
    assert.ok(['DEADLINE_EXCEEDED', 'CANCELLED'].includes((call.signal.reason as DomainError).code));
  });

  it('tells its handler when the caller cancels', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const controller = new AbortController();
    behave = ({ signal }) => {
      signal.addEventListener('abort', () => resolve(signal.reason));
      controller.abort();
      return new Promise(() => {});
    };
    assert.equal((await failed(server.echo({ text: 'a' }, { signal: controller.signal }))).code, status.CANCELLED);
    assert.equal(((await promise) as DomainError).code, 'CANCELLED');
  });

  it('is refused above 4 MiB, in and out', async () => {
    const tooMuch = new Uint8Array(4 * 1024 * 1024);
    assert.equal((await failed(server.echo({ text: 'a', blob: tooMuch }))).code, status.RESOURCE_EXHAUSTED);
    behave = () => ({ blob: tooMuch });
    assert.equal((await failed(server.echo({ text: 'a' }))).code, status.RESOURCE_EXHAUSTED);
    behave = () => undefined;
    const { response } = await server.echo({ text: 'a', blob: new Uint8Array(4 * 1024 * 1024 - 100) });
    assert.equal(response.blob.length, 4 * 1024 * 1024 - 100);
  });

  it('is refused with more than 8 KiB of metadata', async () => {
    const metadata = new Metadata();
    metadata.set('x-long', 'x'.repeat(7000));
    await server.echo({ text: 'a' }, { metadata });
    metadata.set('x-long', 'x'.repeat(9000));
    assert.notEqual((await failed(server.echo({ text: 'a' }, { metadata }))).code, status.OK);
  });

  it('to a method that is not there is UNIMPLEMENTED', async () => {
    const client = server.client({});
    const attempt = new Promise((resolve, reject) => {
      const pass = (bytes: Buffer) => bytes;
      client.makeUnaryRequest('/echopb.EchoService/Nope', pass, pass, Buffer.alloc(0), (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
    assert.equal((await failed(attempt)).code, status.UNIMPLEMENTED);
  });
});

describe('the number of handlers that run', () => {
  afterEach(closeAll);

  it('is bounded also where a client opens and resets streams without end', async () => {
    let running = 0;
    let most = 0;
    const { promise: refused, resolve } = Promise.withResolvers<void>();
    const never = new Promise(() => {});
    const server = await startEcho(
      {
        echo() {
          most = Math.max(most, ++running);
          return never;
        },
      },
      { api: { maxCalls: 16, logCalls: 'all' }, grpc: { drainGraceMs: 50 } },
    );
    const session = http2.connect(`http://127.0.0.1:${server.port}`);
    session.on('error', () => {});
    const message = bytesOf('EchoRequest', { text: 'a' });
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
    for (let i = 0; i < 300; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/echopb.EchoService/Echo',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => {});
      stream.on('response', (headers) => {
        if (Number(headers['grpc-status']) === status.RESOURCE_EXHAUSTED) resolve();
      });
      stream.end(frame);
      // The handler runs once the request is there; a reset right after frees the client's stream, not the handler.
      if (i < 299) stream.once('finish', () => stream.close(http2.constants.NGHTTP2_CANCEL));
    }
    await refused;
    // Half of the places, and an eighth: the others are kept for other connections.
    assert.equal(most, 10);
    session.destroy();
  });
});

describe('a server stream over gRPC', () => {
  afterEach(closeAll);

  it('delivers all messages in order, with its request id first', async () => {
    const server = await startEcho();
    const stream = server.count({ to: 500 });
    const headers = once(stream, 'metadata');
    const { messages, error } = await read(stream);
    assert.equal(error, undefined);
    assert.deepEqual(
      messages.map(({ number }) => number),
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
    assert.match(String((await headers)[0].get('x-request-id')[0]), /^[0-9a-f-]{36}$/);
  });

  it('needs few turns of the event loop, which other work may make long', async () => {
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    const server = await startEcho({
      async *count() {
        count();
        for (let number = 1; number <= 2_000; number++) yield { number };
        isOver = true;
      },
    });
    const { messages } = await read(server.count({}));
    assert.equal(messages.length, 2_000);
    // In grpc-js's own measure it is 125.
    assert.ok(turns < 60, `${turns} turns`);
  });

  it('fails as its generator does, after what it sent', async () => {
    const server = await startEcho({
      async *count() {
        yield { number: 1 };
        throw new DomainError('OUT_OF_RANGE', 'TOKEN_EXPIRED', 'start again');
      },
    });
    const { messages, error } = await read(server.count({}));
    assert.equal(messages.length, 1);
    assert.equal(error?.code, status.OUT_OF_RANGE);
    const [details] = error?.metadata.get('grpc-status-details-bin') ?? [];
    assert.equal(decodeStatus(details as Buffer).info?.reason, 'TOKEN_EXPIRED');
  });

  it('is refused with the violations of its request', async () => {
    const server = await startEcho();
    const { error } = await read(server.count({ to: -1 }));
    assert.equal(error?.code, status.INVALID_ARGUMENT);
  });

  it('holds its generator back while the reader does not read, and ends it when the reader cancels', async () => {
    let produced = 0;
    let lastAt = performance.now();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const padding = new Uint8Array(64 * 1024);
    const server = await startEcho({
      async *count(_request, { signal }) {
        try {
          while (!signal.aborted) {
            produced++;
            lastAt = performance.now();
            yield { number: produced, padding };
          }
        } finally {
          resolve();
        }
      },
    });
    const stream = server.count({});
    stream.on('error', () => {});
    await once(stream, 'readable');
    // Held back: for a while nothing more is produced.
    await new Promise<void>((settled) => {
      const look = () => (performance.now() - lastAt > 200 ? settled() : setTimeout(look, 20));
      look();
    });
    assert.ok(produced < 200, `${produced} messages of 64 KiB were produced for nobody`);
    stream.cancel();
    await ended;
  });

  it('ends its generator at the deadline', async () => {
    const { promise: ended, resolve } = Promise.withResolvers<unknown>();
    const server = await startEcho({
      async *count(_request, { signal }) {
        signal.addEventListener('abort', () => resolve(signal.reason.code));
        yield { number: 1 };
        await new Promise((settle) => signal.addEventListener('abort', settle));
      },
    });
    const { error } = await read(server.count({}, { deadline: Date.now() + 2_000 }));
    assert.equal(error?.code, status.DEADLINE_EXCEEDED);
    // The client counts too, and cancels: the server learns of that before or behind its own deadline.
    assert.ok(['DEADLINE_EXCEEDED', 'CANCELLED'].includes(String(await ended)));
  });
});
