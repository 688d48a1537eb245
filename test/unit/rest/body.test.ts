import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';
import { fakeApi, fixture, type Gateway, type Reply, readReply, reasonOf, startGateway } from './harness.ts';

const LIMIT = 64 * 1024;

describe('rest: bodies', () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await startGateway(fakeApi(fixture), { config: { maxBodyBytes: LIMIT } });
  });
  after(() => gateway.stop());

  const typed = (type: string | undefined, body = '{"text":"é"}', headers: Record<string, string> = {}) =>
    gateway.send('PUT', '/t/everything', { body, headers: { ...(type && { 'Content-Type': type }), ...headers } });

  /** A body in chunks, without its length. */
  const chunked = (chunks: readonly (string | Buffer)[], headers: Record<string, string>, agent?: http.Agent) => {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const request = http.request({
      port: gateway.port,
      host: '127.0.0.1',
      method: 'PUT',
      path: '/t/everything',
      headers: { 'Transfer-Encoding': 'chunked', ...headers },
      agent: agent ?? false,
    });
    request.on('error', reject).on('response', (response) => readReply(response).then(resolve, reject));
    for (const chunk of chunks) request.write(chunk);
    request.end();
    return promise;
  };
  const JSON_TYPE = { 'Content-Type': 'application/json' };
  const ofSize = (size: number) => `{"text":"${'x'.repeat(size - 11)}"}`;

  describe('the media type', () => {
    for (const type of [
      'application/json',
      'Application/JSON',
      'application/json; charset=utf-8',
      'application/json;charset="UTF-8"',
    ])
      it(`may be ${type}`, async () => assert.equal((await typed(type)).json.text, 'é'));
    for (const type of [
      undefined,
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/merge-patch+json',
      'application/jsonx',
      'application/json; charset=latin1',
      'application/json, text/plain',
    ])
      it(`may not be ${type ?? 'missing'}`, async () => {
        const reply = await typed(type);
        assert.deepEqual([reply.status, reasonOf(reply)], [415, 'UNSUPPORTED_MEDIA_TYPE']);
        assert.equal(reply.json.error.code, 415);
        assert.equal(reply.headers.accept, 'application/json');
      });
    it('may not be compressed', async () => {
      const reply = await typed('application/json', '{}', { 'Content-Encoding': 'gzip' });
      assert.deepEqual([reply.status, reply.headers['accept-encoding']], [415, 'identity']);
    });
    it('does not matter where there is no body', async () => {
      assert.equal((await typed('text/plain', '')).status, 200);
      assert.equal((await chunked([], {})).status, 200);
      assert.equal((await chunked(['{}'], {})).status, 415);
    });
  });

  it('in several chunks are put together', async () => {
    const bytes = Buffer.from('{"text":"é😀"}');
    const reply = await chunked([bytes.subarray(0, 10), bytes.subarray(10, 13), bytes.subarray(13)], JSON_TYPE);
    assert.equal(reply.json.text, 'é😀');
  });
  it('that are not UTF-8 are refused', async () => {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      const body = Buffer.concat([Buffer.from('{"text":"'), Buffer.from(bytes), Buffer.from('"}')]);
      const reply = await gateway.send('PUT', '/t/everything', { body, headers: JSON_TYPE });
      assert.deepEqual([reply.status, reply.json.error.message], [400, 'the body is not valid UTF-8']);
    }
  });
  it('are refused where the method takes none', async () => {
    const reply = await gateway.send('GET', '/t/match/x', { json: {} });
    assert.deepEqual([reply.status, reasonOf(reply)], [400, 'UNEXPECTED_BODY']);
    assert.equal((await gateway.send('DELETE', '/t/match/x', { headers: { 'Content-Length': '0' } })).status, 200);
  });

  describe('the size', () => {
    it('may be the limit and no more', async () => {
      assert.equal((await typed('application/json', ofSize(LIMIT))).status, 200);
      const reply = await typed('application/json', ofSize(LIMIT + 1));
      assert.deepEqual([reply.status, reasonOf(reply)], [413, 'BODY_TOO_LARGE']);
      assert.equal(reply.json.error.code, 413);
    });
    it('is counted where it is not announced', async () => {
      const exact = ofSize(LIMIT);
      assert.equal((await chunked([exact.slice(0, 100), exact.slice(100)], JSON_TYPE)).status, 200);
      const reply = await chunked([ofSize(LIMIT), ' '], JSON_TYPE);
      assert.equal(reply.status, 413);
      assert.equal(reply.headers.connection, 'close');
    });
    it('is refused to a caller that goes on writing, and still reads the answer', async () => {
      const agent = new http.Agent({ keepAlive: true });
      const megabyte = Buffer.alloc(1024 * 1024, ' ');
      const reply = await chunked([megabyte, megabyte, megabyte, megabyte], JSON_TYPE, agent);
      assert.deepEqual([reply.status, reply.headers.connection], [413, 'close']);
      const announced = await gateway.send('PUT', '/t/everything', { body: megabyte, headers: JSON_TYPE, agent });
      assert.deepEqual([announced.status, announced.headers.connection], [413, 'close']);
      agent.destroy();
    });
    it('is refused to a caller that writes everything before it reads', async () => {
      const socket = net.connect(gateway.port, '127.0.0.1').pause();
      const size = 6 * 1024 * 1024;
      const headers = `Host: x\r\nContent-Type: application/json\r\nContent-Length: ${size}`;
      const wrote = Promise.withResolvers<void>();
      socket.on('error', wrote.reject);
      socket.write(`PUT /t/everything HTTP/1.1\r\n${headers}\r\n\r\n`);
      socket.write(Buffer.alloc(size, ' '), () => wrote.resolve());
      await wrote.promise;
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk);
      assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 413 Payload Too Large\r\n.*"BODY_TOO_LARGE"/s);
    });
    for (const [what, given, status] of [
      ['its size', { ...JSON_TYPE, 'Content-Length': String(LIMIT + 1) }, 413],
      ['its type', { 'Content-Type': 'text/plain', 'Content-Length': '5' }, 415],
    ] as const)
      it(`is refused for ${what} before it is sent to a caller that asks first`, async () => {
        const { promise, resolve, reject } = Promise.withResolvers<Reply>();
        const headers = { ...given, Expect: '100-continue' };
        const options = { port: gateway.port, host: '127.0.0.1', method: 'PUT', path: '/t/everything', headers };
        const request = http.request({ ...options, agent: false });
        request.on('continue', () => reject(new Error('asked for a body that is refused')));
        request.on('response', (response) => readReply(response).then(resolve, reject)).on('error', reject);
        request.flushHeaders();
        const reply = await promise;
        assert.deepEqual([reply.status, reply.headers.connection], [status, 'close']);
        request.destroy();
      });
  });
  it('are asked for where the caller waits for that', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const headers = { ...JSON_TYPE, Expect: '100-continue', 'Content-Length': '12' };
    const options = { port: gateway.port, host: '127.0.0.1', method: 'PUT', path: '/t/everything', headers };
    const request = http.request({ ...options, agent: false });
    request.on('continue', () => request.end('{"text":"a"}'));
    request.on('response', (response) => readReply(response).then(resolve, reject)).on('error', reject);
    request.flushHeaders();
    assert.equal((await promise).json.text, 'a');
  });
  it('that nobody reads leave the connection usable', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const unknown = await gateway.send('POST', '/t/nope', { json: { a: 'x'.repeat(5000) }, agent });
    const next = await gateway.send('GET', '/t/match/x', { agent });
    assert.deepEqual([unknown.status, next.status], [404, 200]);
    assert.equal(unknown.headers.connection, 'keep-alive');
    agent.destroy();
  });
});
