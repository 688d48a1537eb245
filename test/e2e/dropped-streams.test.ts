import assert from 'node:assert/strict';
import apiPlugin from '../../plugins/api/plugin.ts';
import { configured } from '../support/configured.ts';
import { reachable, reachableOnceAtMost } from '../support/heap.ts';
import { onlyOn } from '../support/stores.ts';
import { startTracker, type Tracker } from '../support/tracker.ts';
import { connect } from '../unit/rest/socket-client.ts';
import { openBody } from '../unit/rest/streaming.ts';

const PATH = '/v1/projects:stream';
const EACH = 250;
/** Of one stream; it takes some twenty thousand while it is open. */
const LEFT_BYTES = 2500;

const listOf = <T>(make: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: EACH }, make));

describe('streams whose callers are gone', () => {
  let tracker: Tracker;

  before(async function () {
    onlyOn(this, 'memdb', 'a stream over HTTP ends in the same way whatever the store is');
    // As many as are open at a time: none may keep its place.
    tracker = await startTracker({}, { replace: { api: configured(apiPlugin, { maxStreams: EACH }) } });
  });
  after(() => tracker?.stop());

  /** Settles when each has begun. Only when those of the round before have left their places, all do. */
  async function openAll(open: () => Promise<{ readonly hasBegun: boolean; cut(): void }>): Promise<() => void> {
    const streams = await listOf(async () => {
      for (;;) {
        const stream = await open();
        if (stream.hasBegun) return stream;
        stream.cut();
      }
    });
    return () => {
      for (const { cut } of streams) cut();
    };
  }

  const kinds = {
    async 'server-sent events'() {
      const body = await openBody(tracker.httpPort, 'GET', PATH, { accept: 'text/event-stream' });
      if (body.status === 200) await body.until('"heartbeat"');
      return { hasBegun: body.status === 200, cut: body.cut };
    },
    async WebSockets() {
      const { ws, send, until } = await connect(tracker.httpPort, PATH);
      send({ type: 'subscribe', id: 'a' });
      const { type } = await until(() => true);
      return { hasBegun: type === 'next', cut: () => ws.terminate() };
    },
  };

  for (const [kind, open] of Object.entries(kinds))
    it(`leave their places to others, and nothing behind, when their connections break: ${kind}`, async () => {
      // What the first round makes once and for all is not of a stream.
      (await openAll(open))();
      const before = await reachable();
      (await openAll(open))();
      const allowed = before + EACH * LEFT_BYTES;
      const after = await reachableOnceAtMost(allowed);
      assert.ok(after <= allowed, `${(after - before) / EACH} bytes a stream are left`);
    });
});
