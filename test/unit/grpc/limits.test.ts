import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { Metadata, status } from '@grpc/grpc-js';
import { bytesOf } from '../../fixtures/echo/echo.ts';
import { closeAll, type EchoServer, failed, startEcho } from './support.ts';

/** A message of the echo service in its frame. */
function framed(init: object): Buffer {
  const message = bytesOf('EchoRequest', init);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION] = [0, 1, 3, 4, 6, 9];
const END_STREAM = 1;
const END_HEADERS = 4;

/** A frame of HTTP/2 (RFC 9113, 4.1). */
function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Headers as they are written without compression (RFC 7541, 6.2.2). */
function literals(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => [Buffer.from([value.length]), Buffer.from(value)];
  return Buffer.concat(
    Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), ...text(name), ...text(value)]),
  );
}

const settings = frame(SETTINGS, 0, 0);
const begun = Buffer.concat([PREFACE, settings]);

describe('limits over gRPC', () => {
  const sessions: http2.ClientHttp2Session[] = [];
  const sockets: net.Socket[] = [];
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.destroy();
    for (const socket of sockets.splice(0)) socket.destroy();
    await closeAll();
  });

  /** A client of its own making, on a connection of its own. */
  const connect = ({ port }: EchoServer, settings: http2.Settings = {}) => {
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings });
    sessions.push(session);
    session.on('error', () => {});
    const request = (headers: http2.OutgoingHttpHeaders = {}) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/echopb.EchoService/Echo',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.on('error', () => {});
      return stream;
    };
    return { session, request };
  };
  /** A connection that says this, and reads what comes. */
  const open = async ({ port }: EchoServer, bytes: Uint8Array) => {
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {}).resume();
    await once(socket, 'connect');
    socket.write(bytes);
    return socket;
  };
  const neighbour = async (server: EchoServer) =>
    assert.equal((await server.echo({ text: 'neighbour' })).response.text, 'neighbour');

  it('take a message of the size that is configured and not a byte more, in and out', async () => {
    const maxMessageBytes = 4096;
    let answer = new Uint8Array();
    const server = await startEcho({ echo: () => ({ blob: answer }) }, { grpc: { maxMessageBytes } });
    const ofSize = (bytes: number) => {
      const empty = bytesOf('EchoRequest', { text: 'a', blob: new Uint8Array(bytes - 10) }).length;
      const init = { text: 'a', blob: new Uint8Array(bytes - 10 + (bytes - empty)) };
      assert.equal(bytesOf('EchoRequest', init).length, bytes);
      return init;
    };
    await server.echo(ofSize(maxMessageBytes));
    assert.equal((await failed(server.echo(ofSize(maxMessageBytes + 1)))).code, status.RESOURCE_EXHAUSTED);
    // Two bytes for the key of the field and three for its length.
    const overhead = bytesOf('EchoResponse', { blob: new Uint8Array(4000) }).length - 4000;
    answer = new Uint8Array(maxMessageBytes - overhead);
    await server.echo({ text: 'a' });
    answer = new Uint8Array(maxMessageBytes - overhead + 1);
    assert.equal((await failed(server.echo({ text: 'a' }))).code, status.RESOURCE_EXHAUSTED);
    answer = new Uint8Array();
    await server.echo({ text: 'a' });
  });

  it('take metadata of the size that is configured, counted as HTTP/2 does, and not a byte more', async () => {
    const maxMetadataBytes = 1024;
    const server = await startEcho({}, { grpc: { maxMetadataBytes } });
    const { session, request } = connect(server);
    await once(session, 'remoteSettings');
    assert.equal(session.remoteSettings.maxHeaderListSize, maxMetadataBytes);
    // The limit holds once the client has said that it knows it.
    await new Promise((resolve) => session.ping(resolve));
    const others = request();
    others.close();
    const size = Object.entries({ ...others.sentHeaders, 'x-pad': '' }).reduce(
      (sum, [name, value]) => sum + name.length + String(value).length + 32,
      0,
    );
    const padded = (bytes: number) => request({ 'x-pad': 'p'.repeat(bytes - size) }).end(framed({ text: 'a' }));
    const [headers] = await once(padded(maxMetadataBytes), 'response');
    assert.equal(headers[':status'], 200);
    const refused = padded(maxMetadataBytes + 1);
    await once(refused, 'close').catch(() => {});
    assert.equal(refused.rstCode, http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    const metadata = new Metadata();
    metadata.set('x-pad', 'p'.repeat(maxMetadataBytes));
    await neighbour(server);
    assert.equal((await failed(server.echo({ text: 'a' }, { metadata }))).code, status.RESOURCE_EXHAUSTED);
    await neighbour(server);
  });

  it('run as many calls of one connection as are configured; others wait, those of other connections do not', async () => {
    const waiting: (() => void)[] = [];
    let ready = Promise.withResolvers<void>();
    const server = await startEcho(
      {
        echo: ({ text }) =>
          text === 'neighbour'
            ? { text }
            : new Promise<object>((resolve) => {
                waiting.push(() => resolve({ text }));
                if (waiting.length === 3) ready.resolve();
              }),
      },
      { grpc: { maxStreamsPerConnection: 3 } },
    );
    const { session, request } = connect(server);
    await once(session, 'remoteSettings');
    const answers = Array.from({ length: 4 }, () => once(request().end(framed({ text: 'a' })), 'response'));
    await ready.promise;
    for (let i = 0; i < 20; i++) await neighbour(server);
    assert.equal(waiting.length, 3);
    ready = Promise.withResolvers();
    waiting.shift()!();
    await ready.promise;
    for (const answer of waiting) answer();
    for (const answer of answers) assert.equal((await answer)[0][':status'], 200);
  });

  it('hold while a client opens and resets streams without end: it loses its connection, and leaves nothing', async () => {
    let running = 0;
    let most = 0;
    let ran = 0;
    const server = await startEcho(
      {
        async echo({ text }) {
          if (text !== 'neighbour') ran++;
          most = Math.max(most, ++running);
          await new Promise(setImmediate);
          running--;
          return { text };
        },
      },
      { api: { maxCalls: 10 } },
    );
    const socket = await open(server, begun);
    const call = literals({
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': 'localhost',
      ':path': '/echopb.EchoService/Echo',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const cancel = Buffer.from([0, 0, 0, http2.constants.NGHTTP2_CANCEL]);
    let stream = 1;
    for (let round = 0; round < 200 && !socket.closed; round++) {
      const streams = Array.from({ length: 50 }, () => (stream += 2));
      const ask = (id: number) => [
        frame(HEADERS, END_HEADERS, id, call),
        frame(DATA, END_STREAM, id, framed({ text: 'a' })),
      ];
      socket.write(Buffer.concat(streams.flatMap(ask)));
      await neighbour(server);
      socket.write(Buffer.concat(streams.map((id) => frame(RST_STREAM, 0, id, cancel))));
    }
    assert.ok(socket.closed, 'the server goes on with it');
    await neighbour(server);
    assert.ok(ran > 10 && most <= 7, `${ran} calls ran, ${most} at a time`);
    assert.equal(running, 0);
  });

  it('leave places to others while one connection takes all that it gets', async () => {
    let held = 0;
    let most = 0;
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const server = await startEcho(
      {
        async echo({ text }) {
          if (text === 'neighbour') return { text };
          most = Math.max(most, ++held);
          await over;
          held--;
          return { text };
        },
      },
      { api: { maxCalls: 16 } },
    );
    /** Calls of one connection, each with its code in the end. */
    const caller = async () => {
      const { session, request } = connect(server);
      await once(session, 'connect');
      const call = () => once(request().end(framed({ text: 'a' })), 'response');
      return (count: number) =>
        Array.from({ length: count }, () => call().then(([headers]) => Number(headers['grpc-status'] ?? 0)));
    };
    const [first, second] = [await caller(), await caller()];
    const good = [];
    for (const [calls, accepted] of [
      // Half of the places, and an eighth.
      [first(40), 10],
      // An eighth.
      [second(40), 2],
    ] as const) {
      good.push(...calls.slice(0, accepted));
      assert.deepEqual([...new Set(await Promise.all(calls.slice(accepted)))], [status.RESOURCE_EXHAUSTED]);
      await neighbour(server);
    }
    assert.deepEqual([held, most], [12, 12]);
    end();
    assert.deepEqual([...new Set(await Promise.all(good))], [0]);
    assert.equal(held, 0);
    // Every place is free again, also for those who had more than their share.
    assert.deepEqual([...new Set(await Promise.all(first(10)))], [0]);
  });

  it('hold while a client takes nothing of its answers: it loses its calls before they fill the memory', async () => {
    let handled = 0;
    const blob = new Uint8Array(256 * 1024);
    const server = await startEcho(
      {
        echo({ text }) {
          if (text !== 'neighbour') handled++;
          return text === 'neighbour' ? { text } : { blob };
        },
      },
      { grpc: { maxConnectionMemoryMiB: 1 } },
    );
    const { session, request } = connect(server, { initialWindowSize: 0 });
    await once(session, 'remoteSettings');
    for (let i = 0; i < 100 && !session.closed; i++) {
      const stream = request().end(framed({ text: 'a' }));
      await Promise.race([once(stream, 'response'), once(stream, 'close')]).catch(() => {});
      if (stream.rstCode !== 0) break;
    }
    assert.ok(handled <= 6, `${handled} answers of 256 KiB are held in 1 MiB`);
    await neighbour(server);
  });

  describe('a connection that sends', () => {
    const ping = frame(PING, 0, 0, Buffer.alloc(8));
    const header = literals({ a: 'b' });

    for (const [what, bytes] of [
      ['no HTTP/2', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
      ['garbage', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256))],
      ['garbage after a good beginning', Buffer.concat([begun, Buffer.alloc(4096, 0xff)])],
      ['settings without end', Buffer.concat([begun, ...Array<Buffer>(50_000).fill(settings)])],
      ['pings without end', Buffer.concat([begun, ...Array<Buffer>(50_000).fill(ping)])],
      [
        'headers without end',
        Buffer.concat([
          begun,
          frame(HEADERS, 0, 1, header),
          ...Array<Buffer>(50_000).fill(frame(CONTINUATION, 0, 1, header)),
        ]),
      ],
    ] as const)
      it(`${what} is closed, and disturbs nobody`, async () => {
        const server = await startEcho();
        const socket = await open(server, Buffer.alloc(0));
        const closed = once(socket, 'close').catch(() => {});
        // It reads nothing until it has sent all.
        socket.pause().write(bytes, () => socket.resume());
        await neighbour(server);
        await closed;
        await neighbour(server);
      });

    it('nothing, or only the beginning of a call, disturbs nobody', async () => {
      const server = await startEcho({}, { api: { maxCalls: 1 } });
      for (const bytes of [Buffer.alloc(0), PREFACE.subarray(0, 10), begun])
        for (let i = 0; i < 20; i++) await open(server, bytes);
      const { session, request } = connect(server);
      await once(session, 'connect');
      for (let i = 0; i < 50; i++) request().write(framed({ text: 'a' }).subarray(0, 4));
      await neighbour(server);
    });
  });
});
