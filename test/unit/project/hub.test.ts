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
  assert.ok(hub.join(subscriber, 10, () => {}));
  const scope = 'project_scopes/p';
  const tell = (seq: number) => listener([{ seq, id: `${seq}`, transaction: `${seq}`, scope } as Change]);
  return { subscriber, tell, stop };
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
});
