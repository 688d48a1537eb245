import assert from 'node:assert/strict';
import { descriptors } from '../../fixtures/echo/echo.ts';
import { fakeApi, fixture, type Gateway, reasonOf, startGateway, tracker } from './harness.ts';

describe('rest: routing', () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await startGateway(fakeApi(fixture));
  });
  after(() => gateway.stop());

  const name = async (method: string, path: string) => {
    const { status, json } = await gateway.send(method, path);
    return status === 200 ? json.name : status;
  };

  describe('path templates', () => {
    it('bind a field to one segment', async () => assert.equal(await name('GET', '/t/match/x'), 'x'));
    it('prefer a literal to a variable', async () => assert.equal(await name('GET', '/t/match/me'), ''));
    it('go back to the variable where the literal leads nowhere', async () =>
      assert.equal(await name('DELETE', '/t/match/me'), 'me'));
    it('take a segment that is bound to no field', async () => {
      assert.equal(await name('GET', '/t/match/x/fixed'), '');
      assert.equal(await name('GET', '/t/match/x/other'), 404);
    });
    it('bind several variables of several segments', async () => {
      const { json } = await gateway.send('GET', '/t/shelves/1/books/2');
      assert.deepEqual(json, { name: 'shelves/1', other: 'books/2', size: 0 });
    });
    it('bind the rest of the path, also where nothing is left', async () => {
      assert.equal(await name('GET', '/t/files/a/b/c'), 'a/b/c');
      assert.equal(await name('GET', '/t/files/'), '');
      assert.equal(await name('GET', '/t/files'), '');
      assert.equal(await name('GET', '/t/deep/a/b'), 'deep/a/b');
    });
    it('bind fields of other types and of nested messages', async () => {
      const { json } = await gateway.send('GET', '/t/typed/5/true/COLOR_RED/n/m');
      assert.deepEqual(
        [json.number, json.flag, json.color, json.nested.name, json.maybe],
        [5, true, 'COLOR_RED', 'n', 'm'],
      );
    });
    it('bind a member of a oneof', async () => {
      const { json } = await gateway.send('GET', '/t/choice/x');
      assert.equal(json.word, 'x');
    });
    it('serve every additional binding', async () => {
      const calls: unknown[] = [];
      const api = fakeApi(tracker, {
        ListIssues: (request) => {
          calls.push(request.projectId);
          return {};
        },
      });
      const issues = await startGateway(api);
      try {
        await issues.send('GET', '/v1/issues');
        await issues.send('GET', '/v1/projects/p1/issues');
        assert.deepEqual(calls, ['', 'p1']);
      } finally {
        await issues.stop();
      }
    });
    it('do not take an empty segment for a value', async () => {
      assert.equal(await name('GET', '/t/match/'), 404);
      assert.equal(await name('GET', '/t/shelves//books/2'), 404);
    });
  });

  describe('verbs', () => {
    it('are what follows the last colon of the last segment', async () => {
      assert.equal(await name('POST', '/t/match/x:start'), 'x');
      assert.equal(await name('POST', '/t/match/a:b:start'), 'a:b');
      assert.equal(await name('POST', '/t/match:batchGet'), '');
      assert.equal(await name('GET', '/t/files/a/b:meta'), 'a/b');
    });
    it('make a path with an unknown verb unknown', async () => assert.equal(await name('GET', '/t/match/x:nope'), 404));
    it('are no part of a value whose colon is encoded', async () =>
      assert.equal(await name('GET', '/t/match/x%3Anope'), 'x:nope'));
  });

  describe('percent-encoding', () => {
    it('is decoded in one segment', async () =>
      assert.equal(await name('GET', '/t/match/a%2Fb%20%C3%A9%2B+%25'), 'a/b é++%'));
    it('is decoded in several segments but for the slash', async () =>
      assert.equal(await name('GET', '/t/files/a%2fb/%C3%A9%20%2F'), 'a%2fb/é %2F'));
    it('is the same as what it encodes in a literal, of a path and of a template', async () => {
      assert.equal(await name('GET', '/%74/match/x'), 'x');
      assert.equal(await name('GET', '/t/caf%c3%a9/x'), 'x');
    });
    for (const path of ['/t/match/%', '/t/match/%zz', '/t/match/%C3', '/t/match/%ED%A0%80'])
      it(`is refused where it is malformed: ${JSON.stringify(path)}`, async () => {
        const reply = await gateway.send('GET', path);
        assert.deepEqual([reply.status, reasonOf(reply)], [400, 'INVALID_PATH']);
      });
  });

  describe('HTTP methods', () => {
    it('of custom rules are served', async () => {
      assert.equal(await name('SEARCH', '/t/match'), '');
      assert.equal(await name('PURGE', '/t/any/x'), 'x');
      assert.equal(await name('GET', '/t/any/x'), 'x');
    });
    it('that a path does not have are 405 with those it has', async () => {
      const reply = await gateway.send('PUT', '/t/match/x');
      assert.equal(reply.status, 405);
      assert.equal(reply.headers.allow, 'DELETE, GET, HEAD, OPTIONS');
      assert.equal(reasonOf(reply), 'METHOD_NOT_ALLOWED');
      assert.equal(reply.json.error.code, 405);
    });
    it('OPTIONS is 204 with those that a path has', async () => {
      const reply = await gateway.send('OPTIONS', '/t/match/me');
      assert.deepEqual([reply.status, reply.text], [204, '']);
      assert.equal(reply.headers.allow, 'DELETE, GET, HEAD, OPTIONS');
      assert.equal((await gateway.send('OPTIONS', '/t/nope')).status, 404);
      assert.equal((await gateway.send('OPTIONS', '*')).status, 204);
    });
    it('HEAD is GET without the body', async () => {
      const get = await gateway.send('GET', '/t/match/x');
      const head = await gateway.send('HEAD', '/t/match/x');
      assert.deepEqual([head.status, head.text], [200, '']);
      assert.equal(head.headers['content-length'], get.headers['content-length']);
      assert.equal((await gateway.send('HEAD', '/t/nope')).status, 404);
      assert.equal((await gateway.send('HEAD', '/t/match/x:start')).status, 405);
    });
  });

  it('answers 404 for a path that nothing has', async () => {
    for (const path of ['/', '/t', '/t/match/x/fixed/', '//t/match/x', '/T/match/x']) {
      const reply = await gateway.send('GET', path);
      assert.deepEqual([path, reply.status, reasonOf(reply)], [path, 404, 'PATH_NOT_FOUND']);
      assert.match(reply.json.error.message, /google\.api\.http in the proto files/);
    }
  });
  it('takes a target in absolute form', async () =>
    assert.equal(await name('GET', 'http://elsewhere.example/t/match/x'), 'x'));
  it('gives a method without a rule no route', async () => {
    assert.equal((await gateway.send('POST', '/gateway.test.Gateway/Hidden')).status, 404);
  });
  it('gives a method that takes a stream no route, and says so', async () => {
    const pattern = { case: 'post', value: '/t/upload' };
    const uploading = await startGateway(fakeApi(descriptors, {}, { Upload: { pattern, body: '*' } }));
    assert.equal((await uploading.send('POST', '/t/upload')).status, 404);
    const skipped = uploading.log.lines.filter(({ message }) => message.includes('stream'));
    assert.deepEqual(
      skipped.map(({ fields }) => fields),
      [{ method: '/echopb.UploadService/Upload' }],
    );
    await uploading.stop();
  });
  it('serves every rule of the tracker', async () => {
    const api = await startGateway(fakeApi(tracker));
    await api.stop();
  });

  describe('refuses to start over a rule', () => {
    const start = async (rules: Record<string, object>) => (await startGateway(fakeApi(fixture, {}, rules))).stop();

    const get = (value: string) => ({ pattern: { case: 'get', value } });
    const cases: Record<string, [rule: object, message: RegExp]> = {
      'that names a field which the request lacks': [get('/x/{nope}'), /Match: GET \/x\/\{nope\}: .*no 'nope'/],
      'that names a nested field which does not exist': [get('/x/{name.sub}'), /'name' is no message/],
      'that binds a field twice': [get('/x/{name}/{name}'), /'name' is bound twice/],
      'that nests variables': [get('/x/{name={other}}'), /offset 9/],
      'that has ** before the end': [get('/x/**/y'), /"\*\*" must be the last segment/],
      'that does not begin with a slash': [get('x'), /expected "\/" at offset 0/],
      'that does not close a variable': [get('/x/{name'), /expected "}" at offset 8/],
      'that has an empty segment': [get('/x//y'), /expected a literal/],
      'that ends in a slash': [get('/x/'), /expected a literal/],
      'that goes on after its verb': [get('/x:verb/y'), /at offset 7/],
      'whose literal is no UTF-8': [get('/x/%C3'), /UTF-8/],
      'without a pattern': [{ body: '*' }, /needs one of get/],
      'with a method that HTTP servers do not take': [
        { pattern: { case: 'custom', value: { kind: 'LIST', path: '/x' } } },
        /'LIST' is not an HTTP method/,
      ],
      'whose body is no field': [{ pattern: { case: 'post', value: '/x' }, body: 'nope' }, /body: .* no field 'nope'/],
      'whose response body is no field': [{ ...get('/x'), responseBody: 'nope' }, /response_body: .* no field 'nope'/],
      'with a body for GET': [{ ...get('/x'), body: '*' }, /GET has no body/],
      'whose additional bindings nest': [
        { ...get('/x'), additionalBindings: [{ ...get('/y'), additionalBindings: [get('/z')] }] },
        /must not nest/,
      ],
      'that is the same as that of another method': [
        { pattern: { case: 'put', value: '/t/everything' } },
        /PUT \/t\/everything \(\/gateway.test.Gateway\/Match\) is the same as PUT \/t\/everything \(\/gateway.test.Gateway\/Put\)/,
      ],
      'that differs from another only in the names of its variables': [
        { ...get('/x/{name}'), additionalBindings: [get('/x/{other=*}')] },
        /GET \/x\/\{other=\*\}.* is the same as GET \/x\/\{name\}/,
      ],
    };
    for (const [title, [rule, message]] of Object.entries(cases))
      it(title, async () => {
        await assert.rejects(start({ Match: rule }), message);
      });
    it('that binds a message or a repeated field', async () => {
      const bind = (field: string) => start({ Put: get(`/x/{${field}}`) });
      await assert.rejects(bind('nested'), /'nested' cannot be in a path: it is a message/);
      await assert.rejects(bind('due_at'), /'due_at' cannot be in a path: it is a message/);
      await assert.rejects(bind('texts'), /'texts' is repeated/);
      await assert.rejects(bind('items.name'), /'items' is repeated/);
      await assert.rejects(bind('counts'), /'counts' is repeated/);
    });
    it('and names every bad rule at once', async () => {
      await assert.rejects(start({ Match: get('/x/{nope}'), Put: get('x') }), ({ message }: Error) => {
        assert.match(message, /Gateway\/Match: GET \/x\/\{nope\}/);
        assert.match(message, /Gateway\/Put: GET x/);
        return true;
      });
    });
  });
});
