import assert from 'node:assert/strict';
import type { FakeHandler } from './harness.ts';
import { callError, fakeApi, fixture, type Gateway, reasonOf, startGateway } from './harness.ts';

const APP = 'https://app.example.com';

describe('rest: CORS', () => {
  const open: Gateway[] = [];
  const start = async (cors?: object, handlers: Record<string, FakeHandler> = {}) => {
    const gateway = await startGateway(fakeApi(fixture, handlers), { config: { ...(cors && { cors }) } });
    open.push(gateway);
    return gateway;
  };
  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.stop();
  });

  const from = (origin: string, more: Record<string, string> = {}) => ({ headers: { Origin: origin, ...more } });
  const asks = (method: string, origin = APP) =>
    from(origin, { 'Access-Control-Request-Method': method, 'Access-Control-Request-Headers': 'if-match' });
  const corsHeaders = (headers: object) =>
    Object.fromEntries(
      Object.entries(headers)
        .filter(([name]) => name === 'vary' || name.startsWith('access-control-'))
        .map(([name, value]) => [name.replace('access-control-', ''), value]),
    );
  const EXPOSED = 'ETag, Location, Retry-After, X-Request-Id';
  const shared = { vary: 'Origin', 'allow-origin': APP, 'expose-headers': EXPOSED };

  it('is off unless it is set', async () => {
    const { send } = await start();
    for (const reply of [await send('GET', '/t/match/x', from(APP)), await send('OPTIONS', '/t/match/x', asks('GET'))])
      assert.deepEqual(corsHeaders(reply.headers), {});
  });

  it('lets pages of a listed origin read every answer, errors too', async () => {
    const { send } = await start(
      { origins: ['http://localhost:3000', APP] },
      {
        Match: ({ name }) => {
          if (name === 'fails') throw callError('UNAVAILABLE', 'X', 'no', { retryAfterMs: 1000 });
          if (name === 'breaks') throw new Error('nobody foresaw this');
          return { name };
        },
      },
    );
    for (const [method, path, status] of [
      ['GET', '/t/match/x', 200],
      ['GET', '/t/match/fails', 503],
      ['GET', '/t/match/breaks', 500],
      ['GET', '/t/nope', 404],
      ['PUT', '/t/match/x', 405],
      ['GET', '/t/%zz', 400],
      ['OPTIONS', '/t/match/x', 204],
    ] as const) {
      const reply = await send(method, path, from(APP));
      assert.deepEqual([path, reply.status, corsHeaders(reply.headers)], [path, status, shared]);
    }
    const large = await send('PUT', '/t/everything', {
      headers: { Origin: APP, 'Content-Type': 'application/json' },
      body: Buffer.alloc(2 ** 21, ' '),
    });
    assert.deepEqual([large.status, corsHeaders(large.headers)], [413, shared]);
  });

  it('serves the pages of other origins as usual, without a header for them', async () => {
    const { send } = await start({ origins: [APP] });
    for (const origin of [
      'https://evil.example.com',
      `${APP}.evil.example`,
      `${APP}:8443`,
      APP.toUpperCase(),
      'null',
    ]) {
      const reply = await send('GET', '/t/match/x', from(origin));
      assert.deepEqual([reply.status, reply.json.name], [200, 'x']);
      assert.deepEqual(corsHeaders(reply.headers), { vary: 'Origin' });
      const asked = await send('OPTIONS', '/t/match/x', asks('GET', origin));
      assert.deepEqual([asked.status, corsHeaders(asked.headers)], [204, { vary: 'Origin' }]);
    }
    assert.deepEqual(corsHeaders((await send('GET', '/t/match/x')).headers), { vary: 'Origin' });
  });

  it('says beforehand what may be sent to a path, and for how long that holds', async () => {
    const { send } = await start({ origins: [APP], maxAgeSeconds: 5 });
    for (const [path, methods] of [
      ['/t/match/x', 'DELETE, GET, HEAD, OPTIONS'],
      ['/t/things/1', 'OPTIONS, PATCH'],
    ] as const) {
      const { status, text, headers } = await send('OPTIONS', path, asks('DELETE'));
      assert.deepEqual([status, text], [204, '']);
      assert.deepEqual(corsHeaders(headers), {
        ...shared,
        'allow-methods': methods,
        'allow-headers':
          'Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id',
        'max-age': '5',
      });
    }
    const unknown = await send('OPTIONS', '/t/nope', asks('GET'));
    assert.deepEqual(
      [unknown.status, reasonOf(unknown), corsHeaders(unknown.headers)],
      [404, 'PATH_NOT_FOUND', shared],
    );
  });

  it('does not run a method that takes OPTIONS when a browser only asks', async () => {
    let calls = 0;
    const { send } = await start({ origins: [APP] }, { Match: () => ({ size: ++calls }) });
    const asked = await send('OPTIONS', '/t/any/x', asks('PUT'));
    assert.deepEqual([asked.status, corsHeaders(asked.headers)['allow-methods']], [204, 'OPTIONS, PUT']);
    assert.equal(calls, 0);
    assert.equal((await send('OPTIONS', '/t/any/x', from(APP))).status, 200);
  });

  it('takes every origin as *, and never with credentials', async () => {
    const { send } = await start({ origins: ['*'] });
    for (const origin of [APP, 'null', 'capacitor://localhost']) {
      const { headers } = await send('OPTIONS', '/t/match/x', asks('GET', origin));
      const { 'allow-origin': allowed, vary, 'allow-credentials': credentials } = corsHeaders(headers);
      assert.deepEqual([allowed, vary, credentials], ['*', 'Origin', undefined]);
    }
  });

  describe('from the page of another origin', () => {
    const OWN = 'tracker.example.com';
    const changes = [
      ['POST', '/t/match/x:start'],
      ['DELETE', '/t/match/x'],
      ['PATCH', '/t/things/1'],
      ['PUT', '/t/any/x'],
    ] as const;
    const counting = async (cors?: object) => {
      const ran: string[] = [];
      const counted = (name: string) => () => {
        ran.push(name);
        return {};
      };
      const { send } = await start(cors, { Match: counted('Match'), UpdateThing: counted('UpdateThing') });
      return { ran, sendAll: sendAll(send) };
    };
    const sendAll = (send: Gateway['send']) => async (headers: Record<string, string>) => {
      const replies = [];
      for (const [method, path] of changes) replies.push(await send(method, path, { headers }));
      return replies;
    };

    it('runs nothing that may change something, with CORS and without', async () => {
      const similar = [`https://${OWN}.evil.example`, `https://${OWN}:8443`, `http://x@${OWN}`, `https://${OWN}/`];
      for (const cors of [undefined, { origins: [APP] }]) {
        const { ran, sendAll } = await counting(cors);
        for (const origin of ['https://evil.example', ...similar, 'null', '', OWN, `${APP}, ${APP}`])
          for (const reply of await sendAll({ Origin: origin, Host: OWN })) {
            const { status, code } = reply.json.error;
            assert.deepEqual(
              [origin, code, status, reasonOf(reply)],
              [origin, 403, 'PERMISSION_DENIED', 'ORIGIN_NOT_ALLOWED'],
            );
          }
        assert.deepEqual(ran, []);
      }
    });

    it('runs it where that origin is listed, where all are, for the own origin and for who has none', async () => {
      const cases: [cors: object | undefined, headers: Record<string, string>][] = [
        [{ origins: [APP] }, { Origin: APP }],
        [{ origins: ['*'] }, { Origin: APP }],
        [{ origins: ['*'] }, { Origin: 'null' }],
        [undefined, { Origin: `http://${OWN}:8080`, Host: `${OWN}:8080` }],
        [undefined, { Origin: `https://${OWN}`, Host: OWN }],
        [undefined, { Origin: `https://${OWN}`, Host: `${OWN.toUpperCase()}:443` }],
        [{ origins: [APP] }, { Origin: 'http://[::1]:8080', Host: '[::1]:8080' }],
        [undefined, {}],
        [{ origins: [APP] }, {}],
      ];
      for (const [cors, headers] of cases) {
        const { ran, sendAll } = await counting(cors);
        const found = (await sendAll(headers)).map(({ status }) => status);
        assert.deepEqual([cors, headers, found], [cors, headers, [200, 200, 200, 200]]);
        assert.deepEqual(ran, ['Match', 'Match', 'UpdateThing', 'Match']);
      }
    });

    it('reads as before', async () => {
      const { send } = await start();
      for (const method of ['GET', 'HEAD', 'OPTIONS'])
        assert.equal((await send(method, '/t/any/x', from('https://evil.example'))).status, 200, method);
    });

    it('is refused what is large without a wait for it', async () => {
      const { send } = await start();
      const headers = { Origin: 'https://evil.example', 'Content-Type': 'application/json' };
      const reply = await send('PUT', '/t/everything', { headers, body: Buffer.alloc(2 ** 21, ' ') });
      assert.deepEqual([reply.status, reasonOf(reply)], [403, 'ORIGIN_NOT_ALLOWED']);
    });
  });
});
