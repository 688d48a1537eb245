import assert from 'node:assert/strict';
import { DomainError, invalidField } from '../../../core/contracts/errors.ts';
import { StoreError } from '../../../core/contracts/store.ts';
import { shuttingDown } from '../../../core/lib/open-streams.ts';
import { bytesOf, uploadService } from '../../fixtures/echo/echo.ts';
import { bootEcho, bootWith, COUNT, contributor, decodeStatus, ECHO, failure, origin } from './support.ts';

const hello = bytesOf('EchoRequest', { text: 'hello' });

/** How a call fails whose handler throws the error. */
async function thrown(error: unknown, config: object = {}) {
  const { running, api, method, lines } = await bootEcho(
    {
      echo() {
        throw error;
      },
    },
    config,
  );
  const failed = await failure(api.unary(method(ECHO), hello, origin({ requestId: 'r-1' })));
  await running.stop();
  return { failed, status: decodeStatus(failed.status), lines };
}

describe('an error that a handler throws', () => {
  for (const [error, code] of [
    [new StoreError('already_exists', 'users: the key is taken', { table: 'users', key: 'some_key' }), 'INTERNAL'],
    [new StoreError('not_found', 'no such row in users', { table: 'users' }), 'INTERNAL'],
    [new StoreError('invalid', 'the transaction has ended'), 'INTERNAL'],
    [new StoreError('invalid', 'users: bio is too long', { table: 'users', key: 'bio' }), 'INVALID_ARGUMENT'],
    [new StoreError('conflict', 'the row has changed', { table: 'users' }), 'ABORTED'],
    [new StoreError('unavailable', 'the store is closed'), 'UNAVAILABLE'],
  ] as const)
    it(`is ${code} where it is a store's '${error.kind}'${error.key ? ` of '${error.key}'` : ''}`, async () => {
      const { failed } = await thrown(error);
      assert.equal(failed.code, code);
      if (code === 'INTERNAL') assert.equal(failed.message, 'internal error');
    });

  it('reaches the caller with code, reason, fields, metadata and retry delay where it is a domain error', async () => {
    const { failed, status } = await thrown(
      new DomainError('RESOURCE_EXHAUSTED', 'RATE_LIMITED', 'slow down', {
        fields: [{ field: 'text', description: 'less of it', reason: 'LESS' }],
        metadata: { limit: '10' },
        retryAfterMs: 1500,
      }),
    );
    assert.equal(failed.code, 'RESOURCE_EXHAUSTED');
    assert.equal(failed.retryAfterMs, 1500);
    assert.equal(status.code, 8);
    assert.equal(status.message, 'slow down');
    assert.equal(status.info?.reason, 'RATE_LIMITED');
    assert.equal(status.info?.domain, 'issue-tracker');
    assert.deepEqual(status.info?.metadata, { limit: '10' });
    assert.equal(status.violations[0]?.field, 'text');
    assert.equal(status.violations[0]?.reason, 'LESS');
    assert.deepEqual([status.retry?.seconds, status.retry?.nanos], [1n, 500_000_000]);
  });

  it('is known by its shape, as from another copy of the package', async () => {
    const foreign = Object.assign(new Error('not here'), {
      name: 'StoreError',
      code: 'NOT_FOUND',
      reason: 'THING_NOT_FOUND',
      fields: [],
      metadata: {},
    });
    assert.equal((await thrown(foreign)).failed.code, 'NOT_FOUND');
  });

  it('shows nothing of itself where it is anything else, and is logged with its stack', async () => {
    const secret = Object.assign(new Error('password=hunter2'), { code: 'ECONNREFUSED' });
    for (const error of [secret, 'password=hunter2', undefined, null]) {
      const { failed, status, lines } = await thrown(error, { logCalls: 'none' });
      assert.equal(failed.code, 'INTERNAL');
      assert.equal(status.message, 'internal error');
      assert.deepEqual(status.info?.metadata, { requestId: 'r-1' });
      assert.doesNotMatch(Buffer.from(failed.status).toString('latin1'), /hunter2/);
      const [line] = lines.filter(({ level }) => level === 'error');
      const { err, requestId } = line!.fields as { err: unknown; requestId: string };
      assert.equal(err, error);
      assert.equal(requestId, 'r-1');
    }
  });

  it('becomes INTERNAL where the response cannot be written', async () => {
    const { running, api, method } = await bootEcho({ echo: () => ({ blob: 'no bytes' }) });
    assert.equal((await failure(api.unary(method(ECHO), hello, origin()))).code, 'INTERNAL');
    await running.stop();
  });

  it('is cut to 1 KiB of sound text', async () => {
    const short = await thrown(new DomainError('ABORTED', 'A', 'half \ud800'));
    assert.equal(short.failed.message, 'half \ufffd');
    const { failed } = await thrown(new DomainError('ABORTED', 'A', `\ud800${'é'.repeat(2000)}`));
    assert.ok(Buffer.byteLength(failed.message) <= 1024);
    assert.ok(failed.message.isWellFormed());
    assert.match(failed.message, /^\ufffdé+$/);
  });

  it('is cut to 25 violations and 8 KiB in all', async () => {
    const long = Array.from({ length: 100 }, (_, i) => ({ field: `f${i}`, description: 'd'.repeat(3000) }));
    const { failed } = await thrown(new DomainError('INVALID_ARGUMENT', 'BAD', 'bad', { fields: long }));
    assert.ok(failed.status.length <= 8192, String(failed.status.length));
    assert.ok(failed.fields.length > 0 && failed.fields.length <= 25);
    const short = long.map(({ field }) => ({ field, description: 'no' }));
    const many = await thrown(new DomainError('INVALID_ARGUMENT', 'BAD', 'bad', { fields: short }));
    assert.equal(many.failed.fields.length, 25);
    assert.equal(many.status.violations.length, 25);
    const metadata = Object.fromEntries(long.map(({ field, description }) => [field, description]));
    const other = await thrown(new DomainError('INVALID_ARGUMENT', 'BAD', 'bad', { metadata }));
    assert.ok(other.failed.status.length <= 8192);
    assert.equal(other.status.info?.reason, 'BAD');
  });
});

describe('the access log', () => {
  const run = async (logCalls: string, error?: Error, config: object = {}) => {
    const { running, api, method, lines } = await bootEcho(
      error === undefined
        ? {}
        : {
            echo() {
              throw error;
            },
          },
      { slowCallMs: 60_000, logCalls, ...config },
    );
    await api.unary(method(ECHO), hello, origin({ requestId: 'r-1' })).catch(() => {});
    await running.stop();
    return lines.filter(({ fields }) => 'method' in fields);
  };

  it('has one line a call when it logs all, with method, code, time, request id and actor', async () => {
    const [line, ...more] = await run('all');
    assert.deepEqual(more, []);
    const { ms, ...fields } = line!.fields as { ms: number };
    assert.equal(typeof ms, 'number');
    assert.deepEqual(fields, { plugin: 'api', method: ECHO, code: 'OK', requestId: 'r-1', actor: 'anonymous' });
  });

  it('has nothing of quick calls that succeed, and what was refused, when it logs what is slow', async () => {
    assert.deepEqual(await run('slow'), []);
    assert.deepEqual(
      (await run('slow', invalidField('text', 'no'))).map(({ level }) => level),
      ['info'],
    );
  });

  it('has slow calls and the server’s own failures when it logs what is slow', async () => {
    assert.deepEqual(
      (await run('slow', new DomainError('UNAVAILABLE', 'STORE_DOWN', 'no store'))).map(({ level }) => level),
      ['warn'],
    );
    const { running, api, method, lines } = await bootEcho(
      {
        echo: () => new Promise((resolve) => setTimeout(resolve, 5, {})),
      },
      { slowCallMs: 1 },
    );
    await api.unary(method(ECHO), hello, origin());
    await running.stop();
    assert.equal(lines.filter(({ message }) => message === 'slow call').length, 1);
  });

  it('has a stream that its reader leaves only when it logs all', async () => {
    const left = async (logCalls: string) => {
      const count = async function* () {
        yield {};
      };
      const { running, api, method, lines } = await bootEcho({ count }, { logCalls });
      const request = bytesOf('CountRequest', { to: 1 });
      for await (const _ of api.serverStream(method(COUNT), request, origin())) break;
      await running.stop();
      return lines.flatMap(({ fields }) => ('code' in fields ? [fields.code] : []));
    };
    assert.deepEqual(await left('slow'), []);
    assert.deepEqual(await left('all'), ['CANCELLED']);
  });

  it('has a stream that ends as the server stops only when it logs all', async () => {
    const stopped = async (logCalls: string) => {
      const count = async function* () {
        yield* [];
        throw shuttingDown();
      };
      const { running, api, method, lines } = await bootEcho({ count }, { logCalls });
      const request = bytesOf('CountRequest', { to: 1 });
      await failure(api.serverStream(method(COUNT), request, origin())[Symbol.asyncIterator]().next());
      await running.stop();
      return lines.flatMap(({ fields }) => ('code' in fields ? [fields.code] : []));
    };
    assert.deepEqual(await stopped('slow'), []);
    assert.deepEqual(await stopped('all'), ['UNAVAILABLE']);
  });

  it('has a call that its caller leaves only when that one had waited for long, or it logs all', async () => {
    const left = async (config: object) => {
      const { running, api, method, lines } = await bootEcho({ echo: () => new Promise(() => {}) }, config);
      await failure(api.unary(method(ECHO), hello, origin({ signal: AbortSignal.timeout(5) })));
      await running.stop();
      return lines.flatMap(({ message, fields }) => ('code' in fields ? [`${message} ${fields.code}`] : []));
    };
    assert.deepEqual(await left({ slowCallMs: 60_000 }), []);
    assert.deepEqual(await left({ slowCallMs: 1 }), ['call cancelled CANCELLED']);
    assert.deepEqual(await left({ logCalls: 'all' }), ['call cancelled CANCELLED']);
  });

  it('has an upload that its caller leaves in the same way: it is no stream of answers, which its reader ends', async () => {
    const left = async (slowCallMs: number) => {
      const upload = contributor(
        'upload',
        uploadService(() => new Promise(() => {})),
      );
      const { running, api, method, lines } = await bootWith([upload], { slowCallMs });
      const none = async function* (): AsyncGenerator<never, void, undefined> {};
      const leaving = origin({ signal: AbortSignal.timeout(5) });
      await failure(api.clientStream(method('/echopb.UploadService/Upload'), none(), leaving));
      await running.stop();
      return lines.flatMap(({ message, fields }) => ('code' in fields ? [`${message} ${fields.code}`] : []));
    };
    assert.deepEqual(await left(60_000), []);
    assert.deepEqual(await left(1), ['call cancelled CANCELLED']);
  });

  it('has nothing when it logs none, and never a request', async () => {
    assert.deepEqual(await run('none', invalidField('text', 'no')), []);
    assert.doesNotMatch(JSON.stringify(await run('all')), /hello/);
  });
});
