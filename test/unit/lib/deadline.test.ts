import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Deadline } from '../../../core/lib/deadline.ts';

const HOUR = 3_600_000;
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

describe('a deadline', () => {
  it('calls back once when its signal is aborted, and has no timer from then on, whether it is cleared or not', async () => {
    const controller = new AbortController();
    let calls = 0;
    new Deadline({ signal: controller.signal, timeoutMs: HOUR }, () => calls++);
    await setImmediate();
    const before = timers();
    controller.abort();
    assert.deepEqual([calls, timers()], [1, before - 1]);
  });
});
