import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { reachable, reachableOnceAtMost } from '../../support/heap.ts';
import { connect } from './socket-client.ts';
import { openBody, startStreaming, stopAll } from './streaming.ts';

const FOLLOW = '/v1/rooms/blue:follow';
const EACH = 10;
const TEXT = 1_000_000;

describe('streams that wait until more is taken', () => {
  afterEach(stopAll);

  it('end, and leave nothing behind, when their connections break', async () => {
    let given = 0;
    let running = 0;
    const { port } = await startStreaming(async function* (_request, { signal }) {
      running++;
      try {
        for (; !signal.aborted; given++) yield { text: 'x'.repeat(TEXT) };
      } finally {
        running--;
      }
    });
    const before = await reachable();
    const bodies = await Promise.all(
      Array.from({ length: EACH }, async () => {
        const body = await openBody(port, 'GET', FOLLOW, { accept: 'text/event-stream' });
        body.pause();
        return body;
      }),
    );
    const sockets = await Promise.all(
      Array.from({ length: EACH }, async () => {
        const { ws, send } = await connect(port, FOLLOW);
        send({ type: 'subscribe', id: 'a' });
        ws.pause();
        return ws;
      }),
    );
    // Until nothing more fits between any two of them.
    for (let seen = -1; running < 2 * EACH || seen !== given; ) {
      seen = given;
      for (let turns = 0; turns < 200; turns++) await setImmediate();
    }
    for (const body of bodies) body.cut();
    for (const ws of sockets) ws.terminate();
    bodies.length = 0;
    sockets.length = 0;
    while (running > 0) await setImmediate();
    const allowed = before + EACH * TEXT;
    const after = await reachableOnceAtMost(allowed);
    assert.ok(after <= allowed, `${after - before} bytes are left`);
  });
});
