import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { UserServiceService as V1 } from '../../proto/gen/user/v1/user.ts';
import { type CallFailure, startTracker, type Tracker } from '../support/tracker.ts';

describe('the limits of a tracker', () => {
  let tracker: Tracker;
  const sockets: net.Socket[] = [];
  before(async () => {
    tracker = await startTracker({ SEED_USER_COUNT: '1001' });
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  after(() => tracker.stop());

  it('are 50 rows for a page that asks for no size, and 1000 for one that asks for more', async () => {
    for (const [asked, rows] of [
      [0, 50],
      [1, 1],
      [1000, 1000],
      [1001, 1000],
      [2 ** 31 - 1, 1000],
    ] as const) {
      const { body } = await tracker.http('GET', `/v1/users?page_size=${asked}`);
      const { users, nextPageToken } = await tracker.grpc(V1.listUsers, { pageSize: asked });
      assert.deepEqual([asked, body.users.length, users.length], [asked, rows, rows]);
      assert.ok(body.nextPageToken !== '' && nextPageToken !== '');
    }
    const refused = await tracker.http('GET', '/v1/users?page_size=-1');
    assert.equal(refused.status, 400);
    await assert.rejects(tracker.grpc(V1.listUsers, { pageSize: -1 }), ({ code, violations }: CallFailure) => {
      assert.deepEqual([code, violations.map((text) => text.split(':')[0])], [3, ['page_size']]);
      return true;
    });
  });

  it('are 1 MiB for a body, and 4 MiB for a message', async () => {
    const body = (bytes: number) => JSON.stringify({ name: 'Ann', email: `ann${bytes}@example.com` }).padEnd(bytes);
    assert.equal((await tracker.raw('POST', '/v1/users', body(2 ** 20))).status, 200);
    const large = await tracker.raw('POST', '/v1/users', body(2 ** 20 + 1));
    assert.deepEqual([large.status, large.body.error.details[0].reason], [413, 'BODY_TOO_LARGE']);
    // Refused by its content and not by its size.
    await assert.rejects(tracker.grpcBytes(V1.createUser.path, Buffer.alloc(2 ** 22)), { code: 3 });
    await assert.rejects(tracker.grpcBytes(V1.createUser.path, Buffer.alloc(2 ** 22 + 1)), { code: 8 });
  });

  it('keep a crowd of connections that do nothing good from disturbing the others, on both surfaces', async () => {
    const say = [
      '',
      'GET /v1/users HTTP/1.1\r\nHo',
      'POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
      'GET /v1/users?page_size=10 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ];
    for (const port of [tracker.httpPort, tracker.grpcPort])
      for (const text of say)
        for (let i = 0; i < 10; i++) {
          const socket = net.connect(port, '127.0.0.1').pause();
          sockets.push(socket);
          socket.on('error', () => {});
          await once(socket, 'connect');
          socket.write(text, 'latin1');
        }
    for (let i = 0; i < 20; i++) {
      assert.equal((await tracker.http('GET', '/v1/users?page_size=1')).status, 200);
      assert.equal((await tracker.grpc(V1.listUsers, { pageSize: 1 })).users.length, 1);
    }
  });
});
