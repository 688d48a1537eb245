import assert from 'node:assert/strict';
import { STATUS_CODES } from 'node:http';
import type { CallOrigin } from '../../../core/contracts/api.ts';
import { callError, fakeApi, fixture, type Gateway, reasonOf, startGateway, tracker } from './harness.ts';

describe('rest: answers', () => {
  let gateway: Gateway;
  let fail: () => unknown = () => undefined;
  let origin: CallOrigin;
  before(async () => {
    const api = fakeApi(fixture, {
      Match(request, given) {
        origin = given;
        const error = fail();
        if (error !== undefined) throw error;
        return request;
      },
    });
    gateway = await startGateway(api);
  });
  afterEach(() => {
    fail = () => undefined;
  });
  after(() => gateway.stop());

  const failing = (error: unknown, method = 'GET') => {
    fail = () => error;
    return gateway.send(method, '/t/match/x');
  };

  it('show fields that have their defaults', async () => {
    const api = await startGateway(fakeApi(tracker, { ListUsers: () => ({}), GetProject: () => ({ project: {} }) }));
    try {
      assert.deepEqual((await api.send('GET', '/v1/users')).json, { users: [], nextPageToken: '' });
      const { project } = (await api.send('GET', '/v1/projects/1')).json;
      assert.deepEqual(project, {
        id: '',
        key: '',
        name: '',
        description: '',
        issueCount: 0,
        openIssueCount: 0,
        archived: false,
        revision: '0',
        etag: '',
      });
    } finally {
      await api.stop();
    }
  });

  it('are JSON that is not sniffed and not stored', async () => {
    for (const path of ['/t/match/x', '/t/nope']) {
      const { headers, text } = await gateway.send('GET', path);
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
      assert.equal(headers['x-powered-by'], undefined);
    }
  });

  describe('the request id', () => {
    const id = async (path: string, given?: string) => {
      const headers = given === undefined ? {} : { 'X-Request-Id': given };
      return (await gateway.send('GET', path, { headers })).headers['x-request-id'];
    };
    it('is the caller’s own, in answers, errors and calls', async () => {
      assert.equal(await id('/t/match/x', 'abc-1'), 'abc-1');
      assert.equal(origin.requestId, 'abc-1');
      assert.equal(await id('/t/nope', 'abc-2'), 'abc-2');
      assert.equal(
        (await gateway.send('OPTIONS', '/t/match/x', { headers: { 'X-Request-Id': 'o' } })).headers['x-request-id'],
        'o',
      );
    });
    it('is a new one where the caller has none that is usable', async () => {
      for (const given of [undefined, '', 'a b', 'x'.repeat(129)]) {
        const [first, second] = [await id('/t/match/x', given), await id('/t/nope', given)];
        assert.match(first as string, /^[0-9a-f-]{36}$/);
        assert.match(second as string, /^[0-9a-f-]{36}$/);
        assert.notEqual(first, second);
      }
    });
  });

  it('come from a call that sees the headers', async () => {
    await gateway.send('GET', '/t/match/x', { headers: { Authorization: 'Bearer t' } });
    assert.equal(origin.header('authorization'), 'Bearer t');
    assert.equal(origin.header('nope'), undefined);
    assert.equal(origin.signal.aborted, false);
  });

  it('are AIP-193 errors with all their details', async () => {
    const error = callError('INVALID_ARGUMENT', 'INVALID_FIELD', 'name: must not be empty', {
      fields: [
        { field: 'name', description: 'must not be empty', reason: 'string.min_len' },
        { field: 'b', description: 'c' },
      ],
      metadata: { id: '7' },
      retryAfterMs: 1500,
    });
    const { status, json, headers } = await failing(error);
    assert.equal(status, 400);
    assert.equal(headers['retry-after'], '2');
    const types = 'type.googleapis.com/google.rpc.';
    assert.deepEqual(json, {
      error: {
        code: 400,
        status: 'INVALID_ARGUMENT',
        message: 'name: must not be empty',
        details: [
          { '@type': `${types}ErrorInfo`, reason: 'INVALID_FIELD', domain: 'issue-tracker', metadata: { id: '7' } },
          {
            '@type': `${types}BadRequest`,
            fieldViolations: [
              { field: 'name', description: 'must not be empty', reason: 'string.min_len' },
              { field: 'b', description: 'c' },
            ],
          },
          { '@type': `${types}RetryInfo`, retryDelay: '1.5s' },
        ],
      },
    });
  });

  it('have the HTTP status of the code, or of the reason', async () => {
    const expected = [
      ['NOT_FOUND', 'X', 404],
      ['ALREADY_EXISTS', 'X', 409],
      ['UNAUTHENTICATED', 'X', 401],
      ['PERMISSION_DENIED', 'X', 403],
      ['RESOURCE_EXHAUSTED', 'X', 429],
      ['DEADLINE_EXCEEDED', 'X', 504],
      ['UNAVAILABLE', 'X', 503],
      ['UNIMPLEMENTED', 'X', 501],
      ['CANCELLED', 'X', 499],
      ['ABORTED', 'X', 409],
      ['ABORTED', 'ETAG_MISMATCH', 412],
      ['FAILED_PRECONDITION', 'KEY_REUSED', 422],
      ['INTERNAL', 'toString', 500],
    ] as const;
    for (const [code, reason, status] of expected) {
      const reply = await failing(callError(code, reason, 'no'));
      assert.deepEqual([reply.status, reply.json.error.code, reply.json.error.status], [status, status, code]);
      assert.equal(reasonOf(reply), reason);
      assert.equal(reply.statusText, STATUS_CODES[status] ?? 'Client Closed Request');
    }
  });

  it('say nothing of an error that nobody foresaw, which is logged', async () => {
    for (const error of [
      new Error('secret'),
      'secret',
      Object.assign(new Error('secret'), { status: 418, expose: true }),
    ]) {
      const before = gateway.log.lines.length;
      const reply = await failing(error);
      assert.deepEqual([reply.status, reply.json.error.message], [500, 'internal error']);
      assert.doesNotMatch(reply.text, /secret|at /);
      const logged = gateway.log.lines.slice(before).filter(({ level }) => level === 'error');
      assert.deepEqual(
        logged.map(({ fields }) => (fields as { err: unknown }).err),
        [error],
      );
    }
  });

  it('to HEAD have no body, also when it fails', async () => {
    const reply = await failing(callError('NOT_FOUND', 'X', 'no'), 'HEAD');
    assert.deepEqual([reply.status, reply.text], [404, '']);
  });
});
