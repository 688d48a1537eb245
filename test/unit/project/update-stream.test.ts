import assert from 'node:assert/strict';
import type { Call } from '../../../core/contracts/api.ts';
import { type Change, type ChangeLog, logTrimmed } from '../../../core/contracts/log.ts';
import type { Store } from '../../../core/contracts/store.ts';
import { Hub } from '../../../plugins/project/stream/hub.ts';
import { placeOf } from '../../../plugins/project/stream/resume-token.ts';
import { UpdateStream } from '../../../plugins/project/stream/update-stream.ts';
import { StreamProjectUpdatesRequest, StreamProjectUpdatesResponse } from '../../../proto/gen/project/v1/project.ts';

/** A log that is followed up to 10; while somebody asks for its newest event it grows by three, and loses all but the last. */
function quickLog() {
  let listener: (changes: readonly Change[]) => void = () => {};
  let followed = 10;
  const log: Partial<ChangeLog> = {
    storeId: () => 'a store',
    followed: () => followed,
    follow(one) {
      listener = one;
      return () => {};
    },
    async newest() {
      const newest = { seq: followed, id: `${followed}` };
      const changes = [11, 12, 13].map(
        (seq) => ({ seq, id: `${seq}`, transaction: `${seq}`, scope: 'users/u' }) as Change,
      );
      followed = 13;
      listener(changes);
      return newest;
    },
    async read() {
      throw logTrimmed(13);
    },
  };
  return log as ChangeLog;
}

describe('a stream of updates', () => {
  it('begins where all others are when it has no token, however little the log keeps', async () => {
    const log = quickLog();
    const hub = new Hub(log, { heartbeatMs: 60_000, maxQueuedUpdates: 10 });
    const stop = hub.start();
    const { signal } = new AbortController();
    const call = { cancellation: signal, signal, explainErrors() {} } as Partial<Call> as Call;
    const request = StreamProjectUpdatesRequest.fromPartial({});
    const messages = new UpdateStream({} as Store, log, hub, call, []).messages(request);
    const { value } = await messages.next();
    const { message, resumeToken } = StreamProjectUpdatesResponse.decode(value as Uint8Array);
    assert.equal(message?.$case, 'heartbeat');
    assert.deepEqual(hub.tokens.read(resumeToken), placeOf({ seq: 13, id: '13' }));
    await messages.return();
    stop();
  });
});
