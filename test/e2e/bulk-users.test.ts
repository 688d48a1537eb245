import assert from 'node:assert/strict';
import { StoreError } from '../../core/contracts/store.ts';
import { UserServiceService } from '../../proto/gen/user/v2/user.ts';
import { checkLog, readLog } from '../support/replay.ts';
import { storageThatWrites } from '../support/storage.ts';
import { onlyOn } from '../support/stores.ts';
import { strictStorage } from '../support/strict-store.ts';
import { type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

const person = (email: string, more: object = {}) => ({ name: 'Ann', email, ...more });

describe('users in bulk', () => {
  let tracker: Tracker;
  beforeEach(async () => {
    tracker = await startTracker();
  });
  afterEach(() => tracker.stop());

  const bulk = (requests: readonly object[], more: object = {}, to = tracker) =>
    to.http('POST', '/v2/users:bulkCreate', { requests, ...more });
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  const emails = (body: any) => body.users.map(({ email }: { email: string }) => email);
  /** [HTTP status, reason, fields] */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
  const refusal = ({ status, body }: { status: number; body: any }) => {
    const [info, bad] = body.error.details;
    return [status, info.reason, bad.fieldViolations.map(({ field }: { field: string }) => field)];
  };

  it('are created in one transaction, and answered and listed in the order of the requests', async () => {
    const wanted = ['c@example.com', 'A@example.com', 'b@example.com', 'a.b@example.com'];
    const { status, body } = await bulk(
      wanted.map((email, i) => person(email, { bio: `b ${i}`, timeZone: 'Asia/Tokyo' })),
    );
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(emails(body), wanted);
    assert.deepEqual(emails((await tracker.http('GET', '/v2/users')).body), wanted);
    assert.deepEqual((await tracker.http('GET', '/v2/users')).body.users, body.users);
    const changes = await readLog(tracker);
    assert.deepEqual(
      changes.map(({ entityId, kind }) => [entityId, kind]),
      body.users.map(({ id }: { id: string }) => [id, 'CREATED']),
    );
    assert.equal(new Set(changes.map(({ transaction }) => transaction)).size, 1);
    await checkLog(tracker);
  });

  it('are all or none: the error names the item and its field', async () => {
    await bulk([person('taken@example.com')]);
    const before = (await readLog(tracker)).length;
    const [good, other] = [person('a@example.com'), person('b@example.com')];
    for (const [requests, expected] of [
      [
        [good, other, person('TAKEN@example.com')],
        [409, 'EMAIL_TAKEN', ['requests[2].email']],
      ],
      [
        [person('Taken@example.com'), good, other],
        [409, 'EMAIL_TAKEN', ['requests[0].email']],
      ],
      [
        [good, other, person(' A@Example.com ')],
        [400, 'EMAIL_TWICE', ['requests[2].email']],
      ],
      [
        [good, person('nobody')],
        [400, 'INVALID_FIELD', ['requests[1].email']],
      ],
      [
        [good, { ...other, timeZone: 'Mars/Base' }],
        [400, 'INVALID_FIELD', ['requests[1].time_zone']],
      ],
      [
        [good, { ...other, requestId: 'x' }],
        [400, 'INVALID_FIELD', ['requests[1].request_id']],
      ],
      [
        [good, { ...other, name: ' ' }],
        [400, 'INVALID_FIELD', ['requests[1].name']],
      ],
      [[], [400, 'INVALID_FIELD', ['requests']]],
      [Array(1001).fill(good), [400, 'INVALID_FIELD', ['requests']]],
    ] as const)
      assert.deepEqual(refusal(await bulk(requests)), expected);
    assert.equal((await readLog(tracker)).length, before);
    const refused = await bulk([good, other, person('a@example.com')]);
    assert.equal(
      refused.body.error.message,
      'requests[2].email: must not be that of requests[0] (letter case does not count)',
    );
  });

  it('are up to a thousand', async () => {
    const { status, body } = await bulk(Array.from({ length: 1000 }, (_, i) => person(`n${i}@example.com`)));
    assert.equal(status, 200);
    assert.equal(body.users.length, 1000);
    assert.deepEqual(refusal(await bulk([person('new@example.com'), person('N999@example.com')])), [
      409,
      'EMAIL_TAKEN',
      ['requests[1].email'],
    ]);
  });

  it('are refused when the answer would not fit a message', async () => {
    const wide = (count: number) => '😀'.repeat(count);
    const { bulkCreateUsers, createUser } = UserServiceService;
    const requests = Array.from({ length: 420 }, (_, i) => ({
      ...createUser.requestDeserialize(Buffer.alloc(0)),
      ...person(`wide${i}@example.com`, { firstName: wide(100), bio: wide(2000) }),
    }));
    await assert.rejects(tracker.grpc(bulkCreateUsers, { requests }), (error: CallFailure) => {
      assert.deepEqual([error.code, error.reason], [3, 'BATCH_TOO_LARGE']);
      return true;
    });
    assert.deepEqual(await readLog(tracker), []);
    assert.equal((await tracker.grpc(bulkCreateUsers, { requests: requests.slice(0, 390) })).users.length, 390);
  });

  it('are created once for a key', async () => {
    const requests = [person('a@example.com'), person('b@example.com')];
    const first = await bulk(requests, { requestId: 'bulk-1' });
    const again = await tracker.http('POST', '/v2/users:bulkCreate', { requests }, { 'idempotency-key': 'bulk-1' });
    assert.deepEqual([again.status, again.body], [200, first.body]);
    assert.equal((await readLog(tracker)).length, 2);
  });

  it('give one of two calls the addresses that both want, and tell the other which one', async function () {
    onlyOn(this, 'memdb', 'strictStorage is made of memdb');
    const discipline = strictStorage();
    const strict = await startTracker({}, { replace: { 'storage-memdb': discipline.plugin } });
    try {
      discipline.together(2);
      const wanted = (from: string) => [person('both@example.com'), person(`${from}@example.com`)];
      const answers = await Promise.all([bulk(wanted('a'), {}, strict), bulk(wanted('b'), {}, strict)]);
      const [won, lost] = answers.sort((a, b) => a.status - b.status);
      assert.equal(won!.status, 200);
      assert.deepEqual(refusal(lost!), [409, 'EMAIL_TAKEN', ['requests[0].email']]);
      assert.deepEqual(discipline.violations, []);
      assert.equal((await readLog(strict)).length, 2);
    } finally {
      await strict.stop();
    }
  });

  it('are tried again when an address that was taken is free by the time it is looked for', async () => {
    let refusals = 1;
    const late = await startTracker({}, { storage: lateStorage(() => refusals-- > 0) });
    try {
      assert.equal((await bulk([person('a@example.com')], {}, late)).status, 200);
      refusals = Number.POSITIVE_INFINITY;
      const never = await bulk([person('b@example.com')], {}, late);
      assert.deepEqual(refusal(never), [409, 'EMAIL_TAKEN', ['requests']]);
      refusals = 0;
      assert.equal((await readLog(late)).length, 1);
    } finally {
      await late.stop();
    }
  });
});

/** Reports at the commit, while it is told so, that an address is taken that no row has any more. */
function lateStorage(refuses: () => boolean) {
  return storageThatWrites(
    (write) => (fn, options) =>
      write(async (tx) => {
        const result = await fn(tx);
        if (refuses())
          throw new StoreError('already_exists', 'the key is taken', { table: 'users', key: 'user_email' });
        return result;
      }, options),
  );
}
