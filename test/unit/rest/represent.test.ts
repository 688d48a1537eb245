import assert from 'node:assert/strict';
import http from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { HttpRoute } from '../../../core/contracts/http.ts';
import { takesGzip } from '../../../plugins/rest/gzip.ts';
import type { FakeHandler } from './harness.ts';
import { callError, fakeApi, type Gateway, reasonOf, startGateway, tracker } from './harness.ts';

describe('rest: what is sent of an answer', () => {
  const open: Gateway[] = [];
  const start = async (handlers: Record<string, FakeHandler>, config: object = {}, pages: HttpRoute[] = []) => {
    const gateway = await startGateway(fakeApi(tracker, handlers), { config, pages });
    open.push(gateway);
    return gateway;
  };
  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop();
  });

  describe('If-None-Match', () => {
    const path = '/v1/users/1';
    let name = 'Ada';
    const user = () => ({ user: { name, etag: 'e1' } });
    const handlers = { GetUser: user, UpdateUser: user, ListUsers: () => ({ users: [{ name, etag: 'e1' }] }) };
    beforeEach(() => {
      name = 'Ada';
    });
    const asking = async () => {
      const { send } = await start(handlers);
      const { headers } = await send('GET', path);
      const ask = (known: string, method = 'GET') => send(method, path, { headers: { 'If-None-Match': known } });
      return { send, ask, etag: headers.etag as string, first: headers };
    };

    it('of the tag that was given is 304 without a body, and with the headers of the copy', async () => {
      const { ask, etag, first } = await asking();
      assert.equal(first['cache-control'], 'private, no-cache');
      for (const method of ['GET', 'HEAD'])
        for (const known of [etag, `W/${etag}`, `"x", W/"y" , ${etag}`, '*', etag.replaceAll('"', '')]) {
          const { status, text, headers } = await ask(known, method);
          assert.deepEqual([known, status, text], [known, 304, '']);
          assert.deepEqual([headers.etag, headers['cache-control']], [etag, 'private, no-cache']);
          assert.deepEqual([headers['content-type'], headers['content-length']], [undefined, undefined]);
          assert.ok(headers['x-request-id']);
        }
    });
    it('of another tag is the whole answer', async () => {
      const { ask, etag } = await asking();
      for (const known of ['"e1"', 'e1', '"x", "y"', `"${etag.slice(1, -2)}"`, '""']) {
        const { status, json, headers } = await ask(known);
        assert.deepEqual([known, status, json.user.name, headers.etag], [known, 200, 'Ada', etag]);
      }
    });
    it('is the whole answer as soon as anything in it is different, whatever the resource’s etag', async () => {
      const { ask, etag } = await asking();
      name = 'Bob';
      const { status, json, headers } = await ask(etag);
      assert.deepEqual([status, json.user.name, json.user.etag], [200, 'Bob', 'e1']);
      assert.notEqual(headers.etag, etag);
    });
    it('that is no list of tags is refused before the call, by lists too, with an answer that nobody keeps', async () => {
      let calls = 0;
      const counted = () => {
        calls += 1;
        return { user: { name, etag: 'e1' } };
      };
      const { send } = await start({ GetUser: counted, ListUsers: counted });
      for (const target of [path, '/v1/users'])
        for (const known of ['"a', 'a b', '"a" "b"', '', '*, "a"']) {
          const reply = await send('GET', target, { headers: { 'If-None-Match': known } });
          assert.deepEqual([known, reply.status, reasonOf(reply)], [known, 400, 'INVALID_IF_NONE_MATCH']);
          assert.deepEqual([reply.headers.etag, reply.headers['cache-control']], [undefined, 'no-store']);
        }
      assert.equal(calls, 0);
    });
    it('is not looked at where there is no etag, and does not hide an error', async () => {
      const { send } = await start({
        ...handlers,
        GetUser: () => {
          throw callError('NOT_FOUND', 'USER_NOT_FOUND', 'no');
        },
      });
      const headers = { 'If-None-Match': '*' };
      const list = await send('GET', '/v1/users', { headers });
      assert.deepEqual([list.status, list.headers.etag, list.headers['cache-control']], [200, undefined, 'no-store']);
      const missing = await send('GET', path, { headers });
      assert.deepEqual([missing.status, missing.headers['cache-control']], [404, 'no-store']);
    });
    it('is refused by a method that changes something, before it changes anything', async () => {
      let calls = 0;
      const { send } = await start({ UpdateUser: () => ({ user: { name: String(++calls) } }) });
      const reply = await send('PATCH', path, { json: { name: 'x' }, headers: { 'If-None-Match': '*' } });
      assert.deepEqual([reply.status, reasonOf(reply), calls], [400, 'IF_NONE_MATCH_UNSUPPORTED', 0]);
    });
    it('does not change the tag of a change: it is the resource’s, and not kept', async () => {
      const { send } = await start(handlers);
      const { headers } = await send('PATCH', path, { json: { name: 'x' } });
      assert.deepEqual([headers.etag, headers['cache-control']], ['"e1"', 'no-store']);
    });
  });

  describe('gzip', () => {
    /** What comes over the wire. */
    const get = (port: number, path: string, coding?: string, method = 'GET') => {
      const { promise, resolve, reject } = Promise.withResolvers<{
        status: number;
        headers: http.IncomingHttpHeaders;
        body: Buffer;
      }>();
      const headers = coding === undefined ? {} : { 'Accept-Encoding': coding };
      const request = http.request({ port, host: '127.0.0.1', path, method, headers, agent: false });
      request.on('error', reject).on('response', async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) });
      });
      request.end();
      return promise;
    };
    /** Users whose JSON has so many bytes. */
    const users = (size: number) => ({
      ListUsers: ({ pageToken }: { pageToken: string }) => ({
        nextPageToken: 'x'.repeat(size - 31 + pageToken.length),
      }),
      GetUser: () => ({ user: { name: 'é'.repeat(5000), etag: 'e1' } }),
    });
    const PATH = '/v1/users';

    it('is for answers of 1 KiB and more', async () => {
      const { port } = await start(users(1024));
      const large = await get(port, PATH, 'gzip');
      assert.deepEqual([large.headers['content-encoding'], large.headers.vary], ['gzip', 'Accept-Encoding']);
      assert.equal(large.headers['content-length'], String(large.body.length));
      const plain = await get(port, PATH);
      assert.equal(plain.body.length, 1024);
      assert.deepEqual([plain.headers['content-encoding'], plain.headers.vary], [undefined, 'Accept-Encoding']);
      assert.deepEqual(gunzipSync(large.body), plain.body);
      const { port: other } = await start(users(1023));
      const small = await get(other, PATH, 'gzip');
      assert.deepEqual(
        [small.body.length, small.headers['content-encoding'], small.headers.vary],
        [1023, undefined, undefined],
      );
    });
    it('leaves the tag as it is, which is good for If-Match and If-None-Match all the same', async () => {
      const { port, send } = await start(users(0));
      const { headers, body } = await get(port, `${PATH}/1`, 'gzip');
      assert.equal(JSON.parse(gunzipSync(body).toString()).user.name, 'é'.repeat(5000));
      const { etag } = (await get(port, `${PATH}/1`)).headers;
      assert.deepEqual([headers.etag, headers['content-encoding']], [etag, 'gzip']);
      const same = await send('GET', `${PATH}/1`, {
        headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': etag as string },
      });
      assert.deepEqual([same.status, same.headers.vary], [304, 'Accept-Encoding']);
    });
    it('tells HEAD what it would tell GET, whatever the path is', async () => {
      const page = {
        path: '/page',
        method: 'GET',
        handle: async () => ({ status: 503, contentType: 'a/b', body: 'x' }),
      };
      const { port } = await start(users(5000), {}, [page as HttpRoute]);
      for (const path of [`${PATH}/1`, PATH, '/v1/projects?pageSize=x', '/page', '/v1/nope'])
        for (const coding of [undefined, 'gzip']) {
          const got = await get(port, path, coding);
          const head = await get(port, path, coding, 'HEAD');
          const kept = ({ date, 'x-request-id': id, ...others }: http.IncomingHttpHeaders) => others;
          assert.deepEqual(kept(head.headers), kept(got.headers));
          assert.deepEqual(
            [head.status, head.headers['content-length'], head.body.length],
            [got.status, String(got.body.length), 0],
          );
        }
    });
    it('can be switched off, and asked for at other sizes', async () => {
      const off = await start(users(5000), { gzip: false });
      const { headers } = await get(off.port, PATH, 'gzip');
      assert.deepEqual([headers['content-encoding'], headers.vary], [undefined, undefined]);
      const any = await start(users(100), { gzipMinBytes: 0 });
      assert.equal((await get(any.port, PATH, 'gzip')).headers['content-encoding'], 'gzip');
    });
    it('is added to what else the answer depends on', async () => {
      const { port } = await start(users(5000), { cors: { origins: ['*'] } });
      assert.equal((await get(port, PATH)).headers.vary, 'Origin, Accept-Encoding');
    });
    it('is taken as the header Accept-Encoding says', () => {
      for (const header of [
        'gzip',
        'GZIP',
        'x-gzip',
        '*',
        'br, gzip;q=0.001',
        'gzip ; q=1.000, identity;q=0.5',
        'gzip, identity',
      ])
        assert.equal(takesGzip(header), true, header);
      for (const header of [
        undefined,
        '',
        'identity',
        'br',
        'gzip;q=0',
        'gzip;q=0.000, *',
        '*;q=0',
        'gzip;q=0.4, identity;q=0.5',
        'gzip;q=2',
        'gzip;q=a',
        'gzip;q=0.0001',
        'gzipped',
      ])
        assert.equal(takesGzip(header), false, header);
    });
  });
});
