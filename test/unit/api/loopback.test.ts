import assert from 'node:assert/strict';
import type { CallOrigin, Policy } from '../../../core/contracts/api.ts';
import { isLoopback } from '../../../plugins/api/loopback.ts';
import { bytesOf, echoService, uploadService } from '../../fixtures/echo/echo.ts';
import { type Booted, bootWith, COUNT, contributor, ECHO, failure, origin } from './support.ts';

const UPLOAD = '/echopb.UploadService/Upload';
const LOCAL: Policy = { access: 'anyone', effect: 'read', from: 'loopback' };

describe('a method for callers on this machine', () => {
  let booted: Booted;
  before(async () => {
    const echo = { ...echoService(), policy: { echo: LOCAL, count: LOCAL } };
    const upload = uploadService(async () => ({ text: 'taken' }), LOCAL);
    booted = await bootWith([contributor('echo', echo, upload)]);
  });
  after(() => booted.running.stop());

  const hello = bytesOf('EchoRequest', { text: 'hello' });
  async function* none(): AsyncGenerator<never, void, undefined> {}

  /** A call of each kind. */
  const calls: Readonly<Record<string, (origin: CallOrigin) => Promise<unknown>>> = {
    unary: (from) => booted.api.unary(booted.method(ECHO), hello, from),
    'a stream of answers': async (from) => {
      for await (const _ of booted.api.serverStream(booted.method(COUNT), bytesOf('CountRequest', { to: 1 }), from));
    },
    'a stream of requests': (from) => booted.api.clientStream(booted.method(UPLOAD), none(), from),
  };

  for (const [kind, call] of Object.entries(calls)) {
    it(`answers them: ${kind}`, async () => {
      for (const address of ['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1'])
        await call(origin({ peer: () => address }));
    });

    it(`refuses all others, and those whose address is not known: ${kind}`, async () => {
      for (const address of [
        '10.0.0.1',
        '128.0.0.1',
        '::',
        '::2',
        '::ffff:10.0.0.1',
        '0.0.0.0',
        'localhost',
        '',
        undefined,
      ]) {
        const error = await failure(call(origin({ peer: () => address })));
        assert.deepEqual([error.code, error.reason], ['PERMISSION_DENIED', 'LOOPBACK_ONLY'], String(address));
      }
      assert.equal((await failure(call(origin()))).code, 'PERMISSION_DENIED');
    });

    it(`believes no header: ${kind}`, async () => {
      const error = await failure(call(origin({ peer: () => '10.0.0.1', header: () => '127.0.0.1' })));
      assert.equal(error.code, 'PERMISSION_DENIED');
    });
  }

  it('is told by addresses that are as they should be', () => {
    assert.equal(isLoopback('127.0.0.1:80'), false);
    assert.equal(isLoopback('[::1]'), false);
    assert.equal(isLoopback('0:0:0:0:0:0:0:1'), true);
  });
});
