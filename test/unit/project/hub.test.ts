import assert from 'node:assert/strict';
import type { Change, ChangeLog } from '../../../core/contracts/log.ts';
import { Hub } from '../../../plugins/project/stream/hub.ts';
import { Subscriber } from '../../../plugins/project/stream/subscriber.ts';

/** A hub over a log that has been followed up to 10. */
function hubAt10() {
  let listener: (changes: readonly Change[]) => void = () => {};
  const log = {
    followed: () => 10,
    follow(one: typeof listener) {
      listener = one;
      return () => {};
    },
  };
  const hub = new Hub(log as Partial<ChangeLog> as ChangeLog, { heartbeatMs: 60_000, maxQueuedUpdates: 10 });
  const stop = hub.start();
  const subscriber = new Subscriber(undefined);
  const tooSlow = { times: 0 };
  assert.ok(hub.join(subscriber, 10, () => void tooSlow.times++));
  const scope = 'project_scopes/p';
  const change = (seq: number, transaction: string) => ({ seq, id: `${seq}`, transaction, scope }) as Change;
  const tell = (seq: number) => listener([change(seq, `${seq}`)]);
  /** Of one transaction. */
  const tellTogether = (first: number, count: number) =>
    listener(Array.from({ length: count }, (_, i) => change(first + i, `${first}`)));
  return { subscriber, tell, tellTogether, tooSlow, stop };
}

describe('what brings the events of the log to the streams', () => {
  it('sends a stream back to the log where events are missing before the first that comes after it joined', () => {
    const { subscriber, tell, stop } = hubAt10();
    tell(12);
    assert.equal(subscriber.isBehind, true);
    stop();
  });

  it('sends it back where they are missing later too, and leaves it where none is', () => {
    const { subscriber, tell, stop } = hubAt10();
    tell(11);
    assert.equal(subscriber.isBehind, false);
    tell(13);
    assert.equal(subscriber.isBehind, true);
    stop();
  });

  it('gives a transaction of more events than may wait to a stream that has taken all before, and ends one that has not', async () => {
    const { subscriber, tellTogether, tooSlow, stop } = hubAt10();
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    tellTogether(11, 50);
    await turn();
    assert.equal(tooSlow.times, 0);
    assert.equal(subscriber.take()?.length, 50);
    tellTogether(61, 10);
    tellTogether(71, 1);
    await turn();
    assert.equal(tooSlow.times, 1);
    assert.equal(subscriber.take(), undefined);
    stop();
  });
});
