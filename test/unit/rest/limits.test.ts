import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import type { CallOrigin } from '../../../core/contracts/api.ts';
import { type FakeHandler, fakeApi, fixture, type Gateway, startGateway } from './harness.ts';

const NEIGHBOUR = '/t/match/neighbour';

describe('rest: limits', () => {
  const gateways: Gateway[] = [];
  const sockets: net.Socket[] = [];
  /** Answers its neighbours at once; others by the handler. */
  const start = async (config: object = {}, handler: FakeHandler = (request) => request) => {
    const Match: FakeHandler = (request, origin) => (request.name === 'neighbour' ? request : handler(request, origin));
    const gateway = await startGateway(fakeApi(fixture, { Match }), { config });
    gateways.push(gateway);
    return gateway;
  };
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const gateway of gateways.splice(0)) await gateway.stop();
  });

  const connect = async ({ port }: Gateway) => {
    const socket = net.connect(port, '127.0.0.1').setEncoding('latin1');
    sockets.push(socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const get = (name: string, more = '') => `GET /t/match/${name} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  /** All that comes until the connection ends. */
  const rest = async (socket: net.Socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    await once(socket, 'close');
    return text;
  };
  const neighbour = async ({ send }: Gateway) => assert.equal((await send('GET', NEIGHBOUR)).status, 200);
  /** A call of which the test decides when it ends. */
  const held = () => {
    const entered = Promise.withResolvers<CallOrigin>();
    const finish = Promise.withResolvers<void>();
    const names: string[] = [];
    const handler: FakeHandler = async (request, origin) => {
      names.push(request.name);
      entered.resolve(origin);
      await finish.promise;
      return request;
    };
    return { handler, names, entered: entered.promise, finish: finish.resolve };
  };

  describe('the headers of a request', () => {
    it('may have as many bytes as are configured, in path, names and values', async () => {
      const gateway = await start({ maxHeaderBytes: 2048 });
      const padded = (bytes: number) => {
        const left = bytes - '/t/match/x'.length - 'Hostx'.length - 'Connectionclose'.length - 'Pad'.length;
        return get('x', `Connection: close\r\nPad: ${'p'.repeat(left)}\r\n`);
      };
      for (const [bytes, status] of [
        [2048, 200],
        [2049, 431],
      ] as const) {
        const socket = await connect(gateway);
        socket.write(padded(bytes));
        assert.match(await rest(socket), new RegExp(`^HTTP/1.1 ${status} `));
      }
    });
    it('may be as many as they like, and none is left out', async () => {
      const gateway = await start();
      const socket = await connect(gateway);
      socket.write(get('x', `${'a:\r\n'.repeat(3000)}X-Request-Id: last\r\nConnection: close\r\n`));
      assert.match(await rest(socket), /^HTTP\/1\.1 200 .*X-Request-Id: last\r\n/s);
    });
    it('that never end do not hold up others, however many there are', async () => {
      const gateway = await start({ headersTimeoutMs: 500 });
      const slow = await Promise.all(Array.from({ length: 100 }, () => connect(gateway)));
      const ends = slow.map((socket) => {
        socket.write('GET /t/match/x HTTP/1.1\r\nHo');
        return rest(socket);
      });
      await neighbour(gateway);
      for (const text of await Promise.all(ends)) assert.match(text, /^HTTP\/1\.1 408 .*"REQUEST_TIMEOUT"/s);
      await neighbour(gateway);
    });
  });

  it('close a connection whose body does not come to its end, with 408', async () => {
    const gateway = await start({ headersTimeoutMs: 1_000, requestTimeoutMs: 1_000 });
    for (const length of ['Content-Length: 9', 'Transfer-Encoding: chunked']) {
      const socket = await connect(gateway);
      const headers = `Host: x\r\nContent-Type: application/json\r\nX-Request-Id: mine\r\n${length}`;
      socket.write(`PUT /t/everything HTTP/1.1\r\n${headers}\r\n\r\n${length.endsWith('9') ? '{' : '1\r\n{\r\n'}`);
      await neighbour(gateway);
      assert.match(await rest(socket), /^HTTP\/1\.1 408 .*X-Request-Id: mine.*"REQUEST_TIMEOUT"/s);
    }
  });

  it('close a connection that waits too long for its next request', async () => {
    const gateway = await start({ keepAliveTimeoutMs: 1 });
    const socket = await connect(gateway);
    socket.write(get('x'));
    assert.match(await rest(socket), /^HTTP\/1\.1 200 /);
  });

  it('close further connections as they come, and take new ones when others have gone', async () => {
    const gateway = await start({ maxConnections: 2 });
    const [first, second] = [await connect(gateway), await connect(gateway)];
    assert.equal(await rest(await connect(gateway)), '');
    second.write(get('x'));
    assert.match(String(await once(second, 'data')), /^HTTP\/1\.1 200 /);
    first.destroy();
    second.write(get('x', 'Connection: close\r\n'));
    await rest(second);
    await neighbour(gateway);
  });

  it('refuse times that contradict each other', async () => {
    await assert.rejects(start({ headersTimeoutMs: 100, requestTimeoutMs: 99 }), /refused/);
  });

  describe('an answer that is not read', () => {
    const LARGE = 'x'.repeat(32 * 1024 * 1024);
    it('is cut when nothing of it is taken for a while, and the others are served', async () => {
      const ended = Promise.withResolvers<unknown>();
      const gateway = await start({ stalledAnswerMs: 50 }, (_request, { signal }) => {
        signal.addEventListener('abort', ended.resolve);
        return { name: LARGE };
      });
      const socket = await connect(gateway);
      socket.pause().write(get('large'));
      await neighbour(gateway);
      await ended.promise;
      await neighbour(gateway);
    });
    it('and then is, leaves the next one all its time', async () => {
      const { handler, entered, finish } = held();
      const cut = Promise.withResolvers<unknown>();
      const gateway = await start({ stalledAnswerMs: 1000 }, (request, origin) => {
        if (request.name === 'slow') return handler(request, origin);
        if (request.name === 'stalled') origin.signal.addEventListener('abort', cut.resolve);
        return { name: LARGE };
      });
      const socket = await connect(gateway);
      socket.write(get('large') + get('slow', 'Connection: close\r\n'));
      let end = '';
      socket.on('data', (chunk) => {
        end = (end + chunk).slice(-500);
      });
      await entered;
      const stalled = await connect(gateway);
      stalled.pause().write(get('stalled'));
      // So long, at least, the slow one has nothing to send.
      await cut.promise;
      finish();
      await once(socket, 'close');
      assert.match(end, /"name":"slow"/);
    });
  });

  describe('requests that come before the answers to those before them', () => {
    it('run one after the other, and are answered in their order', async () => {
      let running = 0;
      const seen: string[] = [];
      const gateway = await start({}, async (request) => {
        seen.push(`${request.name} ${++running}`);
        await new Promise(setImmediate);
        running--;
        return request;
      });
      const socket = await connect(gateway);
      const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
      socket.write(names.map((name) => get(name)).join('') + get('end', 'Connection: close\r\n'));
      const text = await rest(socket);
      assert.deepEqual(
        seen,
        [...names, 'end'].map((name) => `${name} 1`),
      );
      assert.deepEqual(
        [...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name),
        [...names, 'end'],
      );
    });
    it('with bodies are each read in their turn', async () => {
      const gateway = await start();
      const socket = await connect(gateway);
      const put = (text: string, more = '') => {
        const headers = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length + 11}\r\n${more}`;
        return `PUT /t/everything HTTP/1.1\r\n${headers}\r\n{"text":"${text}"}`;
      };
      const long = 'x'.repeat(200_000);
      socket.write(get('x') + put(long) + put('second') + get('y') + put('last', 'Connection: close\r\n'));
      const text = await rest(socket);
      assert.deepEqual(
        [...text.matchAll(/"(?:name|text)":"(\w*)"/g)].map(([, value]) => value).filter((value) => value !== ''),
        ['x', long, 'second', 'y', 'last'],
      );
    });
    it('are not run behind an answer that closes the connection', async () => {
      const seen: string[] = [];
      const gateway = await start({ maxBodyBytes: 1024 }, (request) => {
        seen.push(request.name);
        return request;
      });
      const socket = await connect(gateway);
      socket.write(get('a') + get('b', 'Connection: close\r\n') + get('c'));
      await rest(socket);
      const other = await connect(gateway);
      const unexpected = 'Expect: nothing\r\n';
      other.write(get('d') + get('e', unexpected) + get('f'));
      assert.match(await rest(other), /"name":"d".*HTTP\/1\.1 417 /s);
      assert.deepEqual(seen, ['a', 'b', 'd']);
    });
    it('are refused in their turn where their bodies are broken', async () => {
      const { handler, entered, finish } = held();
      const gateway = await start({}, handler);
      const socket = await connect(gateway);
      const headers = 'Host: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
      socket.write(`${get('a')}PUT /t/everything HTTP/1.1\r\n${headers}\r\n`);
      await entered;
      socket.write('zz\r\n');
      await neighbour(gateway);
      finish();
      assert.match(await rest(socket), /^HTTP\/1\.1 200 .*"name":"a".*HTTP\/1\.1 400 .*"MALFORMED_REQUEST"/s);
    });
    it('are not read without end', async () => {
      const { handler, names, entered, finish } = held();
      const gateway = await start({}, handler);
      const socket = await connect(gateway);
      socket.write(get('first'));
      await entered;
      const many = 4000;
      socket.write(get('next', `Pad: ${'p'.repeat(8000)}\r\n`).repeat(many));
      // As long as the server takes more while it serves others.
      for (let left = Number.POSITIVE_INFINITY; socket.writableLength > 0 && socket.writableLength < left; ) {
        left = socket.writableLength;
        for (let i = 0; i < 50; i++) await neighbour(gateway);
      }
      assert.ok(socket.writableLength > 0, 'the server took all of them');
      assert.deepEqual(names, ['first']);
      finish();
      // All of them are answered in the end, none twice.
      let text = '';
      const answers = () => text.split('HTTP/1.1 200 OK').length - 1;
      for await (const chunk of socket) {
        text += chunk;
        if (answers() > many) break;
      }
      assert.equal(answers(), many + 1);
      assert.equal(names.length, many + 1);
    });
  });
});
