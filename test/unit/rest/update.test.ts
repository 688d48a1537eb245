import assert from 'node:assert/strict';
import { etagMismatch } from '../../../core/contracts/errors.ts';
import {
  callError,
  type Fields,
  fakeApi,
  fixture,
  type Gateway,
  reasonOf,
  startGateway,
  tracker,
  violations,
} from './harness.ts';

describe('rest: updates', () => {
  let gateway: Gateway;
  let seen: Fields;
  before(async () => {
    const api = fakeApi(fixture, {
      UpdateThing(request) {
        seen = request;
        return { etag: 'v2' };
      },
    });
    gateway = await startGateway(api);
  });
  after(() => gateway.stop());

  const patch = async (json: unknown, path = '/t/things/1') => {
    const reply = await gateway.send('PATCH', path, { json });
    assert.equal(reply.status, 200, reply.text);
    return seen.updateMask?.paths;
  };

  describe('without a mask', () => {
    it('change the fields that are present, in proto names', async () => {
      assert.deepEqual(await patch({ name: 'x', dueAt: '2026-01-01T00:00:00Z' }), ['name', 'due_at']);
      assert.deepEqual(await patch({ due_at: '2026-01-01T00:00:00Z' }), ['due_at']);
    });
    it('clear what is null', async () => {
      assert.deepEqual(await patch({ name: null, dueAt: null }), ['name', 'due_at']);
      assert.deepEqual([seen.name, seen.dueAt], [undefined, undefined]);
    });
    it('count an empty value as present', async () => assert.deepEqual(await patch({ name: '' }), ['name']));
    it('go into nested messages, and not into lists, maps and well-known types', async () => {
      const nested = { name: 'a', inner: { seenAt: '2026-01-01T00:00:00Z', tags: ['x'], inner: null } };
      assert.deepEqual(await patch({ nested, counts: { a: 1 }, free: { name: 'a' } }), [
        'nested.name',
        'nested.inner.seen_at',
        'nested.inner.tags',
        'nested.inner.inner',
        'counts',
        'free',
      ]);
      assert.deepEqual(await patch({ nested: {} }), ['nested']);
      assert.deepEqual(await patch({ nested: null }), ['nested']);
    });
    it('leave out what the path gives, the etag and the request id', async () =>
      assert.deepEqual(await patch({ id: '1', etag: 'v1', requestId: 'r', name: 'x' }), ['name']));
    it('name the fields of the body where it is one field of the request', async () => {
      assert.deepEqual(await patch({ id: '1', etag: 'v1', nested: { name: 'x' } }, '/t/wrapped/1'), ['nested.name']);
      assert.equal(seen.thing.id, '1');
    });
    it('have none where nothing is present', async () => {
      assert.equal(await patch({}), undefined);
      assert.equal(await patch({ id: '1', updateMask: null }), undefined);
      assert.equal((await gateway.send('PATCH', '/t/things/1')).status, 200);
    });
  });

  describe('with a mask', () => {
    it('take it as it is, from the body or from the query', async () => {
      assert.deepEqual(await patch({ name: 'x', updateMask: 'dueAt,nested.inner.seenAt' }), [
        'due_at',
        'nested.inner.seen_at',
      ]);
      assert.deepEqual(await patch({ name: 'x' }, '/t/things/1?update_mask=due_at'), ['due_at']);
      assert.deepEqual(await patch({ name: 'x' }, '/t/things/1?updateMask=*'), ['*']);
      assert.deepEqual(await patch({ name: 'x' }, '/t/wrapped/1?update_mask=due_at,name'), ['due_at', 'name']);
      assert.deepEqual(await patch({ name: 'x', update_mask: '' }), []);
    });
    it('take proto names and JSON names, and leave unknown ones to the method', async () =>
      assert.deepEqual(await patch({ update_mask: 'due_at,dueAt,nope.x,name.x' }), [
        'due_at',
        'due_at',
        'nope.x',
        'name.x',
      ]));
    it('are refused when it is given twice, or is no string', async () => {
      const refused = async (json: unknown, path = '/t/things/1') =>
        violations(await gateway.send('PATCH', path, { json }));
      assert.deepEqual(await refused({ updateMask: 'name' }, '/t/things/1?updateMask=name'), [
        'update_mask: must be given once',
      ]);
      assert.deepEqual(await refused({ updateMask: 'name', update_mask: 'name' }), ['update_mask: must be given once']);
      assert.match(String(await refused({ updateMask: ['name'] })), /^update_mask: must be a string of/);
    });
  });

  describe('If-Match', () => {
    const ifMatch = (header: string, json: unknown = { name: 'x' }) =>
      gateway.send('PATCH', '/t/things/1', { json, headers: { 'If-Match': header } });

    it('is the etag of the request, also without its quotes', async () => {
      for (const header of ['"v1"', ' "v1" ', '"v1",', 'W/"v0", "v1"', 'v1']) {
        assert.equal((await ifMatch(header)).status, 200);
        assert.equal(seen.etag, 'v1');
      }
    });
    it('takes the tag of what was read for the etag of its resource', async () => {
      for (const [tag, etag] of [
        ['"v2~0123456789abcd-_"', 'v2'],
        ['v2~0123456789abcdef', 'v2'],
        ['"v2~0123456789abcde"', 'v2~0123456789abcde'],
        ['"a~0123456789abcdef~0123456789abcdef"', 'a~0123456789abcdef'],
        // An empty etag would be none at all.
        ['"~0123456789abcdef"', '~0123456789abcdef'],
      ] as const) {
        assert.equal((await ifMatch(tag)).status, 200);
        assert.equal(seen.etag, etag);
      }
    });
    it('of * asks for no etag', async () => {
      assert.equal((await ifMatch('*')).status, 200);
      assert.equal(seen.etag, '');
    });
    it('that is weak matches nothing', async () => {
      const reply = await ifMatch('W/"v1"');
      assert.deepEqual([reply.status, reply.json.error.status, reasonOf(reply)], [412, 'ABORTED', 'ETAG_MISMATCH']);
    });
    it('of several tags, or of none, is refused', async () => {
      for (const header of ['"a", "b"', 'v1, v2', '"v1', '""', '"a" "b"', '*, "a"']) {
        const reply = await ifMatch(header);
        assert.deepEqual([header, reply.status, reasonOf(reply)], [header, 400, 'INVALID_IF_MATCH']);
      }
    });
    it('may be in the body too, where it says the same', async () => {
      assert.equal((await ifMatch('"v1"', { etag: 'v1' })).status, 200);
      assert.deepEqual(violations(await ifMatch('"v1"', { etag: 'v2' })), [
        'etag: must be what the header If-Match says, or be left out',
      ]);
    });
    it('is refused by a method that changes something and has no etag, and ignored by one that reads', async () => {
      const headers = { 'If-Match': '"v1"' };
      const reply = await gateway.send('PUT', '/t/everything', { json: {}, headers });
      assert.deepEqual([reply.status, reasonOf(reply)], [400, 'IF_MATCH_UNSUPPORTED']);
      assert.equal((await gateway.send('GET', '/t/match/x', { headers })).status, 200);
    });
    it('that does not match any more is 412', async () => {
      const { code, reason, message } = etagMismatch('user', 'u');
      const api = fakeApi(tracker, {
        DeleteUser: () => {
          throw callError(code, reason, message);
        },
      });
      const users = await startGateway(api);
      try {
        const reply = await users.send('DELETE', '/v1/users/u', { headers: { 'If-Match': '"v1"' } });
        assert.deepEqual([reply.status, reasonOf(reply)], [412, 'ETAG_MISMATCH']);
      } finally {
        await users.stop();
      }
    });
  });

  describe('ETag', () => {
    it('is the etag of the response', async () =>
      assert.equal((await gateway.send('PATCH', '/t/things/1', { json: {} })).headers.etag, '"v2"'));
    it('of what was read begins with that of the only resource in the response', async () => {
      const api = fakeApi(tracker, {
        GetIssue: ({ id }) => (id === '0' ? {} : { issue: { etag: 'i7' }, details: { project: { etag: 'p1' } } }),
        ListIssues: () => ({ issues: [{ etag: 'i7' }] }),
        GetUser: () => ({ user: { etag: 'a"b\u00e9' } }),
      });
      const issues = await startGateway(api);
      try {
        const etag = async (path: string) => (await issues.send('GET', path)).headers.etag;
        assert.match((await etag('/v1/issues/1')) as string, /^"i7~[A-Za-z0-9_-]{16}"$/);
        assert.equal(await etag('/v1/issues/0'), undefined);
        assert.equal(await etag('/v1/issues'), undefined);
        assert.equal(await etag('/v1/users/1'), undefined);
      } finally {
        await issues.stop();
      }
    });
  });
});
