import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import type { Call } from '../../../core/contracts/api.ts';
import { DomainError } from '../../../core/contracts/errors.ts';
import type { FollowRequest } from '../../fixtures/echo/echo.ts';
import { connect, PROTOCOL, type Received, refusal } from './socket-client.ts';
import { flood, Source, type Streaming, startStreaming, stopAll } from './streaming.ts';

const FOLLOW = '/v1/rooms/blue:follow';

/** Tells its request, and goes on until the subscription ends. */
async function* told({ room, resumeToken, includeSnapshot }: FollowRequest, call: Call) {
  call.explainErrors(() => ({ resume_token: `${room}-9` }));
  yield { text: JSON.stringify([room, resumeToken, includeSnapshot]), resumeToken: 't1' };
  yield* new Source().messages(call);
}

const is =
  (type: string, id: string) =>
  (message: Received): boolean =>
    message.type === type && message.id === id;
const subscribe = (id: string, request?: object) => ({ type: 'subscribe', id, ...(request && { request }) });

/** A WebSocket whose frames the test itself reads and writes; it is paused. */
async function openSocket(port: number): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.write(
    `GET ${FOLLOW} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ${PROTOCOL}\r\n\r\n`,
  );
  await once(socket, 'data');
  return socket.pause();
}

/** A frame of text, masked with zeros. */
function maskedFrame(text: string): Buffer {
  const data = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | data.length, 0, 0, 0, 0]), data]);
}

describe('rest: WebSockets', () => {
  afterEach(stopAll);

  it('carries several subscriptions, each with messages of its own, until they are ended', async () => {
    const { port } = await startStreaming(told);
    const client = await connect(port, FOLLOW);
    assert.equal(client.ws.protocol, PROTOCOL);
    client.send(subscribe('a'));
    client.send(subscribe('b "', { resume_token: 't0', includeSnapshot: true }));
    const [a, b] = await Promise.all([client.until(is('next', 'a')), client.until(is('next', 'b "'))]);
    assert.deepEqual(a, {
      type: 'next',
      id: 'a',
      message: { resumeToken: 't1', text: '["blue","",false]' },
    });
    assert.equal(b.message.text, '["blue","t0",true]');
    client.send({ type: 'unsubscribe', id: 'a' });
    await client.until(is('complete', 'a'));
    // The id is free, the other goes on.
    client.send(subscribe('a', { resume_token: 't2' }));
    await client.until(({ id, message }) => id === 'a' && message?.text === '["blue","t2",false]');
    client.ws.close();
  });

  it('says when a stream is complete', async () => {
    const { port } = await startStreaming(async function* () {
      yield { text: 'one' };
    });
    const client = await connect(port, FOLLOW);
    client.send(subscribe('a'));
    await client.until(is('complete', 'a'));
    assert.deepEqual(
      client.received.map(({ type }) => type),
      ['next', 'complete'],
    );
    client.ws.close();
  });

  it('ends the calls of a subscription that is ended and of a socket that goes', async () => {
    let running = 0;
    const ends = new EventTarget();
    const { port } = await startStreaming(async function* (request, call) {
      running++;
      try {
        yield* told(request, call);
      } finally {
        running--;
        ends.dispatchEvent(new Event('end'));
      }
    });
    const client = await connect(port, FOLLOW);
    for (const id of ['a', 'b', 'c']) client.send(subscribe(id));
    await client.until(is('next', 'c'));
    assert.equal(running, 3);
    const ended = once(ends, 'end');
    client.send({ type: 'unsubscribe', id: 'b' });
    await ended;
    assert.equal(running, 2);
    client.ws.terminate();
    while (running > 0) await once(ends, 'end');
  });

  it('tells an error by its subscription, in the AIP-193 form, and goes on', async () => {
    const { port } = await startStreaming(async function* (request, call) {
      if (request.resumeToken === 'old') throw new DomainError('OUT_OF_RANGE', 'RESUME_TOKEN_EXPIRED', 'too old');
      yield* told(request, call);
    });
    const client = await connect(port, FOLLOW);
    client.send(subscribe('old', { resume_token: 'old' }));
    client.send(subscribe('long', { resume_token: 'x'.repeat(21) }));
    client.send(subscribe('unknown', { rom: 'x' }));
    client.send(subscribe('conflict', { room: 'red' }));
    const errorOf = async (id: string) => (await client.until(is('error', id))).error;
    const old = await errorOf('old');
    assert.deepEqual([old.code, old.status, old.details[0].reason], [400, 'OUT_OF_RANGE', 'RESUME_TOKEN_EXPIRED']);
    const fieldOf = async (id: string) => (await errorOf(id)).details[1].fieldViolations[0].field;
    assert.deepEqual(await Promise.all(['long', 'unknown', 'conflict'].map(fieldOf)), ['resume_token', 'rom', 'room']);
    client.send(subscribe('old'));
    await client.until(is('next', 'old'));
    client.ws.close();
  });

  it('is there at a route that takes a body, too', async () => {
    const { port } = await startStreaming(told);
    const client = await connect(port, '/v1/follow');
    client.send(subscribe('a', { room: 'red' }));
    assert.equal((await client.until(is('next', 'a'))).message.text, '["red","",false]');
    client.ws.close();
  });

  it('bounds the subscriptions of a socket', async () => {
    const { port } = await startStreaming(told, { rest: { maxSubscriptions: 2 } });
    const client = await connect(port, FOLLOW);
    for (const id of ['a', 'b', 'c']) client.send(subscribe(id));
    const { error } = await client.until(is('error', 'c'));
    assert.deepEqual([error.status, error.details[0].reason], ['RESOURCE_EXHAUSTED', 'TOO_MANY_SUBSCRIPTIONS']);
    client.send({ type: 'unsubscribe', id: 'a' });
    client.send(subscribe('d'));
    await client.until(is('next', 'd'));
    client.ws.close();
  });

  const bad: readonly (readonly [what: string, message: string | Buffer, code: number, reason: RegExp])[] = [
    ['no JSON', '{', 4400, /not valid JSON/],
    ['no object', '[]', 4400, /no JSON object/],
    ['an unknown type', '{"type":"publish","id":"a"}', 4400, /type 'subscribe'/],
    ['no id', '{"type":"subscribe"}', 4400, /needs an id/],
    ['an id that is no text', '{"type":"subscribe","id":1}', 4400, /needs an id/],
    ['an id that is too long', JSON.stringify(subscribe('x'.repeat(129))), 4400, /needs an id/],
    ['a key it does not know', '{"type":"subscribe","id":"a","résumé":1}', 4400, /not 'r\?sum\?'/],
    ['a key twice', '{"type":"subscribe","id":"a","id":"b"}', 4400, /id: must be given once/],
    ['a request that is no object', '{"type":"subscribe","id":"a","request":"x"}', 4400, /request/],
    ['binary data', Buffer.from('{"type":"subscribe","id":"a"}'), 4400, /text/],
    ['more than 64 KiB', JSON.stringify(subscribe('a', { resume_token: 'x'.repeat(65_536) })), 1009, /^$/],
  ];
  for (const [what, message, code, reason] of bad)
    it(`closes a socket that sends ${what}, with ${code}`, async () => {
      const { port } = await startStreaming(told);
      const client = await connect(port, FOLLOW);
      client.ws.send(message);
      const closed = await client.closed;
      assert.equal(closed.code, code);
      assert.match(closed.reason, reason);
    });

  it('closes a socket that uses an id twice at a time, with 4409', async () => {
    const { port } = await startStreaming(told);
    const client = await connect(port, FOLLOW);
    client.send(subscribe('a'));
    client.send(subscribe('a'));
    assert.equal((await client.closed).code, 4409);
  });

  it('takes a message of 64 KiB', async () => {
    const { port } = await startStreaming(told);
    const client = await connect(port, FOLLOW);
    const empty = JSON.stringify(subscribe('a', { resume_token: '' }));
    client.send(subscribe('a', { resume_token: 'x'.repeat(65_536 - empty.length) }));
    await client.until(is('error', 'a'));
    client.ws.close();
  });

  describe('refuses, with an answer in JSON,', () => {
    let streaming: Streaming;
    beforeEach(async () => {
      streaming = await startStreaming(told, { rest: { cors: { origins: ['https://app.example.com'] } } });
    });
    const refused = async (reason: string, status: number, ...[path, protocol, options]: Asked) => {
      const answer = await refusal(streaming.port, path, protocol, options);
      assert.equal(answer.status, status);
      assert.equal(JSON.parse(answer.text).error.details[0].reason, reason);
    };
    type Asked = [path: string, protocol: string | undefined, options?: Parameters<typeof refusal>[3]];

    it('a page of an origin that is not listed', () =>
      refused('ORIGIN_NOT_ALLOWED', 403, FOLLOW, PROTOCOL, { origin: 'https://evil.example.com' }));
    it('another subprotocol', () => refused('WEBSOCKET_PROTOCOL', 400, FOLLOW, 'tracker.v2'));
    it('no subprotocol', () => refused('WEBSOCKET_PROTOCOL', 400, FOLLOW, undefined));
    it('a query string', () => refused('WEBSOCKET_QUERY', 400, `${FOLLOW}?resume_token=x`, PROTOCOL));
    it('another version', () => refused('WEBSOCKET_VERSION', 426, FOLLOW, PROTOCOL, { protocolVersion: 8 }));
    it('a path that nothing has', () => refused('PATH_NOT_FOUND', 404, '/v1/nope', PROTOCOL));

    it('but not the pages of listed origins and of its own', async () => {
      for (const origin of ['https://app.example.com', `http://127.0.0.1:${streaming.port}`]) {
        const client = await connect(streaming.port, FOLLOW, { origin });
        client.ws.close();
      }
    });
  });

  it('leaves a request for another protocol, or elsewhere, what it is', async () => {
    const { get } = await startStreaming(told);
    const upgrade = { connection: 'upgrade', upgrade: 'h2c' };
    assert.equal((await get('/v1/count?to=1', upgrade)).status, 200);
    assert.equal((await get('/v1/nope', { ...upgrade, upgrade: 'websocket' })).status, 404);
  });

  it('asks for signs of life, and cuts who gives none', async () => {
    const { port } = await startStreaming(told, { rest: { heartbeatMs: 500 } });
    const alive = await connect(port, FOLLOW);
    const dead = await connect(port, FOLLOW, { autoPong: false });
    const pings = Promise.withResolvers<void>();
    let count = 0;
    alive.ws.on('ping', () => {
      if (++count === 3) pings.resolve();
    });
    assert.equal((await dead.closed).code, 1006);
    await pings.promise;
    alive.ws.close();
  });

  it('asks none of a socket that does not take what there is, and lets it go on when it does', async () => {
    const full = Promise.withResolvers<void>();
    const stop = new AbortController();
    const { port } = await startStreaming(
      async function* (request, call) {
        yield* flood(stop.signal, full.resolve);
        yield* told(request, call);
      },
      { rest: { heartbeatMs: 150 } },
    );
    // Cut at the second heartbeat.
    const twoBeats = async () => (await connect(port, FOLLOW, { autoPong: false })).closed;
    const client = await connect(port, FOLLOW);
    client.send(subscribe('a'));
    await client.until(is('next', 'a'));
    client.ws.pause();
    await full.promise;
    await twoBeats();
    stop.abort();
    client.ws.resume();
    await client.until(({ message }) => message?.resumeToken === 't1');
    await twoBeats();
    client.send(subscribe('b'));
    await client.until(is('next', 'b'));
    client.ws.close();
  });

  it('cuts a socket that it has closed and that does not close in turn', async () => {
    const { port } = await startStreaming(told);
    const socket = await openSocket(port);
    const closed = once(socket.resume(), 'close');
    socket.write(maskedFrame('{'));
    await closed;
  });

  it('takes no more from the service than the socket takes, and cuts one that takes nothing for too long', async () => {
    let given = 0;
    const over = Promise.withResolvers<void>();
    const { port } = await startStreaming(
      async function* (_request, { signal }) {
        try {
          for (; !signal.aborted; given++) yield { text: 'x'.repeat(100_000) };
        } finally {
          over.resolve();
        }
      },
      { rest: { stalledAnswerMs: 300 } },
    );
    const client = await connect(port, FOLLOW);
    client.send(subscribe('a'));
    await client.until(is('next', 'a'));
    client.ws.pause();
    await over.promise;
    assert.ok(given < 500, `${given} messages of 100 kB`);
    client.ws.resume();
    assert.equal((await client.closed).code, 1006);
  });

  it('tells a socket that takes nothing why the service ended a subscription, if it reads on', async () => {
    const slow = Promise.withResolvers<void>();
    const { port } = await startStreaming(async function* (_request, call) {
      call.explainErrors(() => ({ resume_token: 't3' }));
      while (!call.signal.aborted) {
        // Nobody asks for the next message.
        const timer = setTimeout(() => {
          call.fail(new DomainError('RESOURCE_EXHAUSTED', 'SLOW_CONSUMER', 'too slow'));
          slow.resolve();
        }, 100);
        yield { text: 'x'.repeat(100_000) };
        clearTimeout(timer);
      }
    });
    const client = await connect(port, FOLLOW);
    client.send(subscribe('a'));
    await client.until(is('next', 'a'));
    client.ws.pause();
    await slow.promise;
    client.ws.resume();
    const { error } = await client.until(is('error', 'a'));
    assert.deepEqual([error.code, error.details[0].metadata.resume_token], [429, 't3']);
    client.ws.close();
  });

  it('does not read on from a socket that does not take its answers', async () => {
    const { port } = await startStreaming(told, { rest: { stalledAnswerMs: 200 } });
    const socket = await openSocket(port);
    // Each is answered with an error, which is longer.
    const frames = Buffer.concat(Array(1000).fill(maskedFrame(JSON.stringify(subscribe('a', { rom: '' })))));
    // It is reset.
    const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
    const flood = () => {
      while (!socket.destroyed && socket.write(frames));
    };
    socket.on('drain', flood);
    flood();
    await closed;
    // What the kernel holds in both directions, and no more.
    assert.ok(socket.bytesWritten < 100_000_000, `${socket.bytesWritten} bytes`);
  });

  it('ends its subscriptions with UNAVAILABLE and their tokens while draining, then closes with 1001', async () => {
    const { port, running } = await startStreaming(told);
    const [busy, idle] = await Promise.all([connect(port, FOLLOW), connect(port, FOLLOW)]);
    for (const id of ['a', 'b']) busy.send(subscribe(id));
    await busy.until(is('next', 'b'));
    const [{ problems }, ...codes] = await Promise.all([running.stop(), busy.closed, idle.closed]);
    assert.deepEqual(
      codes.map(({ code }) => code),
      [1001, 1001],
    );
    for (const id of ['a', 'b']) {
      const { error } = await busy.until(is('error', id));
      assert.deepEqual(
        [error.status, error.details[0].reason, error.details[0].metadata.resume_token],
        ['UNAVAILABLE', 'SHUTTING_DOWN', 'blue-9'],
      );
    }
    assert.deepEqual(problems, []);
  });

  it('stops in time with a socket that does not close', async () => {
    const { port, running } = await startStreaming(told);
    const client = await connect(port, FOLLOW);
    client.ws.pause();
    const { problems } = await running.stop();
    assert.deepEqual(problems, []);
    client.ws.terminate();
  });
});
