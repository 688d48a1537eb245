import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import type { HttpRoute } from '../../../core/contracts/http.ts';
import { type FakeHandler, type FakeOrigin, fakeApi, fixture, type Gateway, send, startGateway } from './harness.ts';

describe('rest: server', () => {
  const open: Gateway[] = [];
  const start = async (
    handlers: Record<string, FakeHandler> = {},
    options: Parameters<typeof startGateway>[1] = {},
  ) => {
    const gateway = await startGateway(fakeApi(fixture, handlers), options);
    open.push(gateway);
    return gateway;
  };
  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop();
  });

  /** A call that the test lets finish. */
  const held = () => {
    const entered = Promise.withResolvers<FakeOrigin>();
    const finish = Promise.withResolvers<object>();
    const handler: FakeHandler = (_request, origin) => {
      entered.resolve(origin);
      return finish.promise;
    };
    return { handler, entered: entered.promise, finish: () => finish.resolve({ name: 'done' }) };
  };

  /** What the server says to these bytes until it closes the connection. */
  const raw = async (port: number, text: string) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.write(text, 'latin1');
    let reply = '';
    socket.on('data', (chunk) => {
      reply += chunk;
    });
    await once(socket, 'close');
    return reply;
  };

  it('takes several requests on one connection, one after the other and at once', async () => {
    const { port } = await start();
    const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
    const ask = (name: string, more = '') => `GET /t/match/${name} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    for (const name of ['a', 'b']) {
      socket.write(ask(name));
      assert.match(String(await once(socket, 'data')), new RegExp(`^HTTP/1.1 200 OK.*"name":"${name}"`, 's'));
    }
    socket.destroy();
    const pipelined = await raw(port, ask('a') + ask('b', 'Connection: close\r\n'));
    assert.match(pipelined, /"name":"a".*"name":"b"/s);
  });

  it('says where it listens', async () => {
    const { port, log } = await start();
    assert.ok(port > 0);
    assert.deepEqual(log.lines.find(({ level }) => level === 'info')?.fields, { port });
  });

  it('does not start on a port that is taken, and names it', async () => {
    const { port } = await start();
    await assert.rejects(start({}, { config: { port } }), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'EADDRINUSE');
      assert.match(error.message, new RegExp(`HTTP port ${port} of 127.0.0.1: something else listens there`));
      return true;
    });
  });

  describe('what is no request', () => {
    /** The only answer in these bytes. */
    const parsed = (reply: string) => {
      const [head, body] = reply.split('\r\n\r\n') as [string, string];
      const [line, ...lines] = head.split('\r\n');
      const headers = Object.fromEntries(lines.map((text) => text.toLowerCase().split(': ') as [string, string]));
      assert.equal(Number(headers['content-length']), Buffer.byteLength(body), reply);
      assert.deepEqual([headers['content-type'], headers['connection']], ['application/json', 'close']);
      assert.match(headers['x-request-id']!, /^[\x21-\x7e]{1,128}$/);
      const { code, status, details } = JSON.parse(body).error;
      assert.equal(line!.split(' ')[1], String(code));
      return { code, status, reason: details[0].reason, requestId: headers['x-request-id'] };
    };
    const put = 'PUT /t/everything HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: mine\r\n';

    it('is 400 in the form of every error, and the server goes on', async () => {
      const { port, send: request } = await start();
      for (const bytes of [
        'hello\r\n\r\n',
        'GET / HTTP/1.1\r\n\r\n',
        'PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc',
        'FOO / HTTP/1.1\r\nHost: x\r\n\r\n',
        'GET /t/match/x HTTP/1.1\r\nHost x\r\n\r\n',
        'GET /t/match/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n',
        `${put}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      ]) {
        const { code, status, reason } = parsed(await raw(port, bytes));
        assert.deepEqual([bytes, code, status, reason], [bytes, 400, 'INVALID_ARGUMENT', 'MALFORMED_REQUEST']);
      }
      assert.equal((await request('GET', '/t/match/x')).status, 200);
    });
    it('in its body is 400 under the id of its request', async () => {
      const { port } = await start();
      const { reason, requestId } = parsed(await raw(port, `${put}Transfer-Encoding: chunked\r\n\r\nzz\r\n`));
      assert.deepEqual([reason, requestId], ['MALFORMED_REQUEST', 'mine']);
    });
    it('is 431 with headers over 16 KiB, however many', async () => {
      const { port } = await start();
      for (const size of [20_000, 4_000_000]) {
        const reply = await raw(port, `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(size)}\r\n\r\n`);
        const { code, reason } = parsed(reply);
        assert.deepEqual([code, reason], [431, 'HEADERS_TOO_LARGE']);
      }
    });
    it('is answered without a body where it is a HEAD request', async () => {
      const { port } = await start();
      const reply = await raw(port, `HEAD / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`);
      assert.match(reply, /^HTTP\/1.1 431 .*\r\n\r\n$/s);
    });
    it('is 417 where it expects something unknown', async () => {
      const { port } = await start();
      const { code, reason, requestId } = parsed(
        await raw(port, `${put}Expect: 200-foo\r\nContent-Length: 2\r\n\r\n{}`),
      );
      assert.deepEqual([code, reason, requestId], [417, 'EXPECTATION_FAILED', 'mine']);
    });
    it('is 408 where its headers do not come to their end', async () => {
      const { port } = await start({}, { config: { headersTimeoutMs: 50 } });
      for (const begun of ['GET / HTTP/1.1\r\nHost: x\r\n', 'G', '']) {
        const { code, reason } = parsed(await raw(port, begun));
        assert.deepEqual([code, reason], [408, 'REQUEST_TIMEOUT']);
      }
    });
    it('closes its connection, and no request behind it is run', async () => {
      let calls = 0;
      const { port } = await start({ Match: () => ({ name: String(calls++) }) });
      const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
      socket.write('PUT /t/everything HTTP/1.1\r\nContent-Length: 3\r\n\r\n');
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 400 /);
      socket.write('abcGET /t/match/x HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(socket.resume(), 'close');
      assert.equal(calls, 0);
    });
    it('is answered behind the answer of the request before it', async () => {
      const { handler, entered, finish } = held();
      const { port } = await start({ Match: handler });
      const replies = raw(port, 'GET /t/match/x HTTP/1.1\r\nHost: x\r\n\r\nhello\r\n\r\n');
      await entered;
      finish();
      assert.match(await replies, /^HTTP\/1\.1 200 .*"name":"done".*HTTP\/1\.1 400 .*MALFORMED_REQUEST/s);
    });
  });

  describe('a caller that goes away', () => {
    it('aborts its call', async () => {
      const { handler, entered, finish } = held();
      const { port, log } = await start({ Match: handler });
      const request = http.get({ port, host: '127.0.0.1', path: '/t/match/x', agent: false });
      request.on('error', () => {});
      const { signal } = await entered;
      assert.equal(signal.aborted, false);
      const aborted = once(signal, 'abort');
      request.destroy();
      await aborted;
      finish();
      assert.deepEqual(
        log.lines.filter(({ level }) => level === 'error' || level === 'warn'),
        [],
      );
    });
    it('while its body is read makes no call', async () => {
      let calls = 0;
      const gateway = await start({ Put: () => ({ number: calls++ }) });
      const socket = net.connect(gateway.port, '127.0.0.1').setEncoding('latin1');
      const headers = ['Host: x', 'Content-Type: application/json', 'Content-Length: 9', 'Expect: 100-continue'];
      socket.write(`PUT /t/everything HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      // By now the body is being read.
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 100 /);
      socket.end('{"te');
      await once(socket, 'close');
      await gateway.drain();
      assert.equal(calls, 0);
      assert.deepEqual(
        gateway.log.lines.filter(({ level }) => level === 'error'),
        [],
      );
    });
    it('after its answer aborts nothing', async () => {
      let signal: AbortSignal | undefined;
      const gateway = await start({
        Match: (_request, origin) => {
          signal = origin.signal;
          return {};
        },
      });
      await gateway.send('GET', '/t/match/x');
      await gateway.drain();
      assert.equal(signal?.aborted, false);
    });
  });

  describe('drain', () => {
    it('finishes what is in hand, takes nothing new and closes', async () => {
      const { handler, entered, finish } = held();
      const gateway = await start({ Match: handler });
      const agent = new http.Agent({ keepAlive: true });
      const reply = send(gateway.port, 'GET', '/t/match/x', { agent });
      await entered;
      const drained = gateway.drain();
      finish();
      const { status, json, headers } = await reply;
      assert.deepEqual([status, json.name, headers.connection], [200, 'done', 'close']);
      await assert.rejects(gateway.send('GET', '/t/match/y'), { code: 'ECONNREFUSED' });
      await drained;
      agent.destroy();
    });
    it('answers what still comes on an open connection, and closes it behind that', async () => {
      const gateway = await start({}, { config: { idleGraceMs: 60_000 } });
      const agent = new http.Agent({ keepAlive: true });
      await send(gateway.port, 'GET', '/t/match/x', { agent });
      const fresh = net.connect(gateway.port, '127.0.0.1').setEncoding('latin1');
      await once(fresh, 'connect');
      await gateway.send('GET', '/t/match/x');
      const drained = gateway.drain(new AbortController().signal);
      const { status, headers } = await send(gateway.port, 'GET', '/t/match/x', { agent });
      assert.deepEqual([status, headers.connection], [200, 'close']);
      fresh.write('GET /t/match/x HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(String(await once(fresh, 'data')), /^HTTP\/1\.1 200 OK.*Connection: close/s);
      await drained;
    });
    it('ends a connection in order when it was quiet for the grace, and not before', async () => {
      const gateway = await start({}, { config: { idleGraceMs: 200 } });
      const socket = net.connect(gateway.port, '127.0.0.1').setEncoding('latin1');
      await once(socket, 'connect');
      await gateway.send('GET', '/t/match/x');
      const began = performance.now();
      const drained = gateway.drain(new AbortController().signal);
      await once(socket.resume(), 'end');
      const took = performance.now() - began;
      assert.ok(took >= 199, `${took} ms`);
      await drained;
    });
    it('does not run a request that comes behind the end of its connection, and does not reset it', async () => {
      let calls = 0;
      const gateway = await start({ Put: () => ({ number: calls++ }) }, { config: { idleGraceMs: 1_500 } });
      const socket = net.connect({ port: gateway.port, host: '127.0.0.1', allowHalfOpen: true });
      await once(socket, 'connect');
      await gateway.send('GET', '/t/match/x');
      const drained = gateway.drain(new AbortController().signal);
      await once(socket.resume(), 'end');
      // More than fits into buffers on the way: it is taken to its end.
      socket.write(`PUT /t/everything HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n${' '.repeat(9_000_000)}`);
      socket.end();
      await Promise.all([once(socket, 'close'), drained]);
      assert.equal(calls, 0);
    });
    it('lets no request of busy connections go unanswered', async () => {
      for (let round = 0; round < 5; round++) {
        const gateway = await start({}, { config: { idleGraceMs: 60_000 } });
        let answered = 0;
        let drained: Promise<void> | undefined;
        const worker = async () => {
          const agent = new http.Agent({ keepAlive: true });
          for (;;) {
            const { status, headers } = await send(gateway.port, 'GET', '/t/match/x', { agent });
            assert.equal(status, 200);
            if (++answered === 50 + round) drained = gateway.drain(new AbortController().signal);
            if (headers.connection === 'close') return;
          }
        };
        await Promise.all(Array.from({ length: 8 }, worker));
        await drained;
      }
    });
    it('lets no request of callers with a connection for each go unanswered', async () => {
      for (let round = 0; round < 5; round++) {
        const gateway = await start();
        let answered = 0;
        let drained: Promise<void> | undefined;
        const worker = async () => {
          for (;;) {
            try {
              assert.equal((await send(gateway.port, 'GET', '/t/match/x')).status, 200);
            } catch (error) {
              assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
              return;
            }
            if (++answered === 50 + round) drained = gateway.drain(new AbortController().signal);
          }
        };
        await Promise.all(Array.from({ length: 8 }, worker));
        await drained;
      }
    });
    it('closes connections that wait, used or not', async () => {
      const gateway = await start();
      const agent = new http.Agent({ keepAlive: true });
      await send(gateway.port, 'GET', '/t/match/x', { agent });
      const fresh = net.connect(gateway.port, '127.0.0.1');
      await once(fresh, 'connect');
      await gateway.send('GET', '/t/match/x');
      const closed = once(fresh, 'close');
      await gateway.drain(new AbortController().signal);
      await closed;
      agent.destroy();
    });
    it('finishes the second of two requests that came together', async () => {
      const { handler, entered, finish } = held();
      const first: FakeHandler = (request, origin) => (request.name === 'a' ? request : handler(request, origin));
      const gateway = await start({ Match: first });
      const socket = net.connect(gateway.port, '127.0.0.1').setEncoding('latin1');
      const ask = (name: string) => `GET /t/match/${name} HTTP/1.1\r\nHost: x\r\n\r\n`;
      socket.write(ask('a') + ask('b'));
      let replies = String(await once(socket, 'data'));
      await entered;
      socket.on('data', (text) => {
        replies += text;
      });
      const closed = once(socket, 'close');
      const drained = gateway.drain();
      finish();
      await Promise.all([drained, closed]);
      assert.match(replies, /"name":"a".*Connection: close.*"name":"done"/s);
    });
    it('answers the first of two requests that came together without closing the connection', async () => {
      const { handler, entered, finish } = held();
      const gateway = await start({ Match: handler });
      const ask = (name: string) => `GET /t/match/${name} HTTP/1.1\r\nHost: x\r\n\r\n`;
      const replies = raw(gateway.port, ask('a') + ask('b'));
      await entered;
      const drained = gateway.drain();
      finish();
      assert.match(await replies, /"name":"done".*Connection: close.*"name":"done"/s);
      await drained;
    });
    it('closes a connection whose last body came in after its answer', async () => {
      const gateway = await start();
      const socket = net.connect(gateway.port, '127.0.0.1');
      socket.write('POST /t/nope HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n');
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 404 /);
      socket.write('123456789');
      const closed = once(socket, 'close');
      await gateway.drain(new AbortController().signal);
      await closed;
    });
    it('lets an answer leave that was written before, and then closes its connection', async () => {
      const size = 32 * 1024 * 1024;
      const gateway = await start({ Match: () => ({ name: 'x'.repeat(size) }) });
      const socket = net.connect(gateway.port, '127.0.0.1');
      socket.write('GET /t/match/x HTTP/1.1\r\nHost: x\r\n\r\n');
      const [first] = await once(socket, 'data');
      assert.match(String(first), /Connection: keep-alive/);
      socket.pause();
      const drained = gateway.drain(new AbortController().signal);
      let received = first.length;
      socket.on('data', (chunk) => {
        received += chunk.length;
      });
      socket.resume();
      await Promise.all([drained, once(socket, 'close')]);
      assert.ok(received > size, `${received} bytes`);
    });
    it('cuts what does not finish before its deadline, and aborts the call', async () => {
      const { handler, entered, finish } = held();
      const gateway = await start({ Match: handler });
      const reply = assert.rejects(gateway.send('GET', '/t/match/x'), { code: 'ECONNRESET' });
      const { signal } = await entered;
      const deadline = new AbortController();
      const drained = gateway.drain(deadline.signal);
      deadline.abort();
      await drained;
      await reply;
      if (!signal.aborted) await once(signal, 'abort');
      finish();
    });
    it('says first that the process is not ready', async () => {
      const said: string[] = [];
      const gateway = await start({}, { deps: { health: { draining: () => said.push('draining') } } });
      await gateway.drain();
      assert.deepEqual(said, ['draining']);
    });
  });

  describe('pages', () => {
    const page = (path: string, handle?: HttpRoute['handle']): HttpRoute => ({
      method: 'GET',
      path,
      handle: handle ?? (async () => ({ status: 200, contentType: 'text/plain', body: `page ${path}` })),
    });

    it('are served as they are', async () => {
      const { send: request } = await start(
        {},
        {
          pages: [
            page('/healthz'),
            page('/'),
            page('/bytes', async ({ path, query }) => ({
              status: 503,
              contentType: 'application/octet-stream',
              body: Buffer.from(`${path} ${query.get('a')}`),
            })),
          ],
        },
      );
      const healthz = await request('GET', '/healthz');
      assert.deepEqual(
        [healthz.status, healthz.text, healthz.headers['content-type']],
        [200, 'page /healthz', 'text/plain'],
      );
      assert.equal(healthz.headers['x-content-type-options'], 'nosniff');
      assert.equal((await request('GET', '/')).text, 'page /');
      const bytes = await request('GET', '/bytes?a=b+c');
      assert.deepEqual([bytes.status, bytes.text], [503, '/bytes b c']);
      assert.equal((await request('HEAD', '/healthz')).text, '');
      const post = await request('POST', '/healthz');
      assert.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD, OPTIONS']);
    });
    it('come before a route with a variable in their place', async () => {
      const { send: request } = await start({}, { pages: [page('/t/match/page')] });
      assert.equal((await request('GET', '/t/match/page')).text, 'page /t/match/page');
      assert.equal((await request('DELETE', '/t/match/page')).json.name, 'page');
    });
    it('that fail are 500 without the text of the error', async () => {
      const { send: request, log } = await start(
        {},
        { pages: [page('/x', () => Promise.reject(new Error('secret')))] },
      );
      const reply = await request('GET', '/x');
      assert.equal(reply.status, 500);
      assert.doesNotMatch(reply.text, /secret/);
      assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
    });
    it('that are in the place of each other or of a method stop the start', async () => {
      await assert.rejects(
        start({}, { pages: [page('/x'), page('/x')] }),
        /GET \/x \(a page of plugin 'pages'\) is the same/,
      );
      await assert.rejects(
        start({}, { pages: [page('/t/everything')] }),
        /GET \/t\/everything \(\/gateway.test.Gateway\/Put\) is the same as GET \/t\/everything \(a page of plugin 'pages'\)/,
      );
      await assert.rejects(start({}, { pages: [page('x')] }), /GET x .* is not the path of a URL/);
    });
  });
});
