import assert from 'node:assert/strict';
import { withDeadline } from '../../core/kernel/deadline.ts';
import { never } from './support.ts';

describe('a deadline', () => {
  it('passes on a signal that was aborted before it began', async () => {
    let seen: unknown;
    const run = (signal: AbortSignal) => {
      seen = signal.aborted && signal.reason;
      return never();
    };
    const outcome = await withDeadline(run, { ms: 5000, graceMs: 5, signal: AbortSignal.abort('why') });
    assert.deepEqual([outcome.kind, seen], ['timed-out', 'why']);
  });

  it('tells an error of its own from one that the abort brought about', async () => {
    const fails = () => Promise.reject(new Error('own'));
    const obeys = (signal: AbortSignal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    assert.equal((await withDeadline(fails, { ms: 5000, graceMs: 5 })).kind, 'failed');
    assert.equal((await withDeadline(obeys, { ms: 5, graceMs: 5000 })).kind, 'timed-out');
  });

  it('takes a throw as a failure, not as its own', async () => {
    const outcome = await withDeadline(
      () => {
        throw new TypeError('at once');
      },
      { ms: 5000, graceMs: 5 },
    );
    assert.equal(outcome.kind, 'failed');
  });
});
