import assert from 'node:assert/strict';
import { DomainError } from '../../../core/contracts/errors.ts';
import type { FollowRequest } from '../../fixtures/echo/echo.ts';
import { eventsIn, flood, Source, startStreaming, stopAll } from './streaming.ts';

const SSE = { accept: 'text/event-stream' };
const NDJSON = { accept: 'application/x-ndjson' };
const FOLLOW = '/v1/rooms/blue:follow';

/** Tells its request, then a message with a token. */
async function* told({ room, resumeToken, includeSnapshot }: FollowRequest) {
  yield { text: JSON.stringify([room, resumeToken, includeSnapshot]) };
  yield { resumeToken: 't1', text: 'two\nlines' };
}

describe('rest: streams over HTTP', () => {
  afterEach(stopAll);

  describe('as server-sent events', () => {
    it('gives each message as data, its resume token as id, and says when the stream is complete', async () => {
      const { get } = await startStreaming(told);
      const body = await get(FOLLOW, SSE);
      assert.deepEqual(
        [body.status, body.headers['content-type'], body.headers['cache-control'], body.headers['x-accel-buffering']],
        [200, 'text/event-stream', 'no-store, no-transform', 'no'],
      );
      const text = await body.ended;
      assert.match(text, /^retry: [12]\d{3}\n\n/);
      assert.deepEqual(eventsIn(text), [
        { event: 'message', id: undefined, data: { resumeToken: '', text: '["blue","",false]' } },
        { event: 'message', id: 't1', data: { resumeToken: 't1', text: 'two\nlines' } },
        { event: 'complete', id: undefined, data: {} },
      ]);
    });

    it('sends a message when it is there', async () => {
      const source = new Source();
      const { get } = await startStreaming((_request, call) => source.messages(call));
      source.give({ text: 'one' });
      const body = await get(FOLLOW, SSE);
      await body.until('one');
      source.give({ text: 'two' });
      await body.until('two');
      body.cut();
    });

    it('resumes from Last-Event-ID, whatever the URL says of the beginning', async () => {
      const { get } = await startStreaming(told);
      const asked = async (query: string, headers = {}) => {
        const [first] = eventsIn(await (await get(`${FOLLOW}${query}`, { ...SSE, ...headers })).ended);
        return JSON.parse((first!.data as { text: string }).text);
      };
      assert.deepEqual(await asked('?resumeToken=t0'), ['blue', 't0', false]);
      const again = { 'last-event-id': 't5' };
      assert.deepEqual(await asked('?resume_token=t0', again), ['blue', 't5', false]);
      assert.deepEqual(await asked('?include_snapshot=true', again), ['blue', 't5', false]);
      assert.deepEqual(await asked('?include_snapshot=true', { 'last-event-id': '' }), ['blue', '', true]);
    });

    it('checks what Last-Event-ID says as it checks the field', async () => {
      const { get } = await startStreaming(told);
      const body = await get(FOLLOW, { ...SSE, 'last-event-id': 'x'.repeat(21) });
      assert.equal(body.status, 400);
      assert.match(await body.ended, /"field":"resume_token"/);
    });

    it('never gives an id that could not come back, nor one that would be another line', async () => {
      const { get } = await startStreaming(async function* () {
        yield { resumeToken: 'a\ndata: b' };
        yield { resumeToken: 'ü' };
      });
      const ids = eventsIn(await (await get(FOLLOW, SSE)).ended).map(({ id }) => id);
      assert.deepEqual(ids, [undefined, undefined, undefined]);
    });

    it('tells an error in mid-stream as an event with its AIP-193 form, and where to go on from', async () => {
      const { get } = await startStreaming(async function* (_request, call) {
        call.explainErrors(() => ({ resume_token: 't9' }));
        yield { text: 'one' };
        throw new DomainError('RESOURCE_EXHAUSTED', 'SLOW_CONSUMER', 'too slow');
      });
      const events = eventsIn(await (await get(FOLLOW, SSE)).ended);
      assert.equal(events.length, 2);
      const { event, id, data } = events[1] as { event: string; id: string; data: { error: object } };
      assert.deepEqual([event, id], ['error', 't9']);
      assert.deepEqual(data, {
        error: {
          code: 429,
          status: 'RESOURCE_EXHAUSTED',
          message: 'too slow',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
              reason: 'SLOW_CONSUMER',
              domain: 'issue-tracker',
              metadata: { resume_token: 't9' },
            },
          ],
        },
      });
    });

    it('gives a quiet stream a comment as a sign of life', async () => {
      const source = new Source();
      const { get } = await startStreaming((_request, call) => source.messages(call), { rest: { heartbeatMs: 10 } });
      source.give({ text: 'one' });
      const body = await get(FOLLOW, SSE);
      await body.until('\n\n:\n\n:\n\n');
      source.give({ text: 'two' });
      assert.deepEqual(
        eventsIn(await body.until('two')).map(({ data }) => (data as { text: string }).text),
        ['one', 'two'],
      );
      body.cut();
    });

    it('begins without a message when none comes', async () => {
      const source = new Source();
      const { get } = await startStreaming((_request, call) => source.messages(call));
      const body = await get(FOLLOW, SSE);
      assert.equal(body.status, 200);
      body.cut();
    });
  });

  describe('as lines of JSON', () => {
    it('gives each message as a result, and an error as the last line', async () => {
      const { get } = await startStreaming(async function* (request) {
        yield* told(request);
        throw new DomainError('OUT_OF_RANGE', 'GONE', 'gone');
      });
      const body = await get(FOLLOW, NDJSON);
      assert.deepEqual([body.status, body.headers['content-type']], [200, 'application/x-ndjson']);
      const lines = (await body.ended).split('\n');
      assert.equal(lines.pop(), '');
      const [first, second, last, ...more] = lines.map((line) => JSON.parse(line));
      assert.deepEqual(
        [first, second],
        [
          { result: { resumeToken: '', text: '["blue","",false]' } },
          { result: { resumeToken: 't1', text: 'two\nlines' } },
        ],
      );
      assert.deepEqual([last.error.status, last.error.details[0].reason, more], ['OUT_OF_RANGE', 'GONE', []]);
    });

    it('takes a request as a body where the rule says so', async () => {
      const { port } = await startStreaming(told);
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ room: 'red', include_snapshot: true });
      const response = await fetch(`http://127.0.0.1:${port}/v1/follow`, { method: 'POST', headers, body });
      assert.match(await response.text(), /^\{"result":\{"resumeToken":"","text":"\[\\"red\\",\\"\\",true\]"\}\}\n/);
      const bad = await fetch(`http://127.0.0.1:${port}/v1/follow`, { method: 'POST', headers, body: '{"rom":"red"}' });
      assert.deepEqual([bad.status, bad.headers.get('content-type')], [400, 'application/json']);
    });
  });

  it('goes by Accept and its weights; lines are for whoever takes anything', async () => {
    const { get } = await startStreaming(told);
    const typeFor = async (accept: string | undefined) => {
      const body = await get(FOLLOW, accept === undefined ? {} : { accept });
      await body.ended;
      return [body.status, body.headers['content-type'], body.headers.vary];
    };
    const [lines, events] = [
      [200, 'application/x-ndjson', 'Accept'],
      [200, 'text/event-stream', 'Accept'],
    ];
    for (const accept of [undefined, '*/*', 'application/*', 'text/html, */*;q=0.8', NDJSON.accept])
      assert.deepEqual(await typeFor(accept), lines, accept);
    for (const accept of [
      'text/event-stream',
      'text/*',
      'application/x-ndjson;q=0.5, text/event-stream',
      'text/event-stream; charset=UTF-8',
    ])
      assert.deepEqual(await typeFor(accept), events, accept);
    assert.deepEqual(await typeFor('application/x-ndjson;charset=utf-8'), lines);
    for (const accept of ['application/json', 'text/html', 'text/event-stream;q=0', 'text/event-stream;charset=latin1'])
      assert.deepEqual((await typeFor(accept)).slice(0, 2), [406, 'application/json'], accept);
  });

  it('answers HEAD with the headers alone, and runs nothing', async () => {
    let runs = 0;
    const { get } = await startStreaming((request) => {
      runs++;
      return told(request);
    });
    const body = await get(FOLLOW, SSE, 'HEAD');
    assert.deepEqual([body.status, body.headers['content-type'], await body.ended], [200, 'text/event-stream', '']);
    assert.equal((await get(`${FOLLOW}?rom=x`, SSE, 'HEAD')).status, 400);
    assert.equal(runs, 0);
  });

  it('gives an error before the first message the status of its own', async () => {
    const { get } = await startStreaming(async function* () {
      yield* [];
      throw new DomainError('OUT_OF_RANGE', 'RESUME_TOKEN_EXPIRED', 'too old');
    });
    const body = await get(FOLLOW, SSE);
    assert.deepEqual([body.status, body.headers['content-type']], [400, 'application/json']);
    assert.match(await body.ended, /RESUME_TOKEN_EXPIRED/);
    assert.equal((await get(`${FOLLOW}?nope=1`, SSE)).status, 400);
  });

  it('does not compress', async () => {
    const { get } = await startStreaming(async function* () {
      yield { text: 'x'.repeat(5000) };
    });
    const body = await get(FOLLOW, { ...SSE, 'accept-encoding': 'gzip' });
    assert.equal(body.headers['content-encoding'], undefined);
    assert.match(await body.ended, /x{5000}/);
  });

  it('ends the call of a caller who goes', async () => {
    const over = Promise.withResolvers<void>();
    const source = new Source();
    const { get } = await startStreaming(async function* (_request, call) {
      try {
        yield* source.messages(call);
      } finally {
        over.resolve();
      }
    });
    source.give({ text: 'one' });
    const body = await get(FOLLOW, SSE);
    await body.until('one');
    body.cut();
    await over.promise;
  });

  it('takes no more from the service than the caller takes', async () => {
    let given = 0;
    const { get } = await startStreaming(async function* (_request, { signal }) {
      for (; !signal.aborted; given++) {
        yield { text: 'x'.repeat(100_000) };
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const body = await get(FOLLOW, SSE);
    body.pause();
    // What fits between the two, and then no more.
    const settled = async () => {
      for (let before = -1; before !== given; ) {
        before = given;
        for (let turns = 0; turns < 200; turns++) await new Promise((resolve) => setImmediate(resolve));
      }
      return given;
    };
    assert.ok((await settled()) < 200, `${given} messages of 100 kB`);
    body.cut();
  });

  it('tells a caller who takes nothing why the service ended the stream, and frees its place at once', async () => {
    const full = Promise.withResolvers<void>();
    let streams = 0;
    const { get } = await startStreaming(
      async function* (_request, call) {
        if (++streams > 1) return;
        call.explainErrors(() => ({ resume_token: 't3' }));
        const slow = new DomainError('RESOURCE_EXHAUSTED', 'SLOW_CONSUMER', 'too slow');
        while (!call.signal.aborted) {
          // Nobody asks for the next message.
          const timer = setTimeout(() => {
            call.fail(slow);
            full.resolve();
          }, 100);
          yield { text: 'x'.repeat(100_000) };
          clearTimeout(timer);
        }
      },
      { api: { maxStreams: 1 } },
    );
    const body = await get(FOLLOW, SSE);
    body.pause();
    await full.promise;
    assert.equal((await get(FOLLOW, SSE)).status, 200);
    body.resume();
    const last = eventsIn(await body.ended).at(-1)!;
    assert.deepEqual([last.event, last.id], ['error', 't3']);
  });

  it('cuts a caller who takes nothing for too long', async () => {
    const over = Promise.withResolvers<void>();
    const { get } = await startStreaming(
      async function* (_request, { signal }) {
        try {
          while (!signal.aborted) yield { text: 'x'.repeat(100_000) };
        } finally {
          over.resolve();
        }
      },
      { rest: { stalledAnswerMs: 300 } },
    );
    const body = await get(FOLLOW, SSE);
    body.pause();
    await over.promise;
    body.resume();
    assert.doesNotMatch(await body.ended, /event: error/);
  });

  it('leaves one alone that fell behind and has caught up, however quiet its stream is then', async () => {
    const source = new Source();
    let full = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    let stop = new AbortController();
    const { get } = await startStreaming(
      async function* (_request, call) {
        try {
          yield* flood(stop.signal, () => full.resolve());
          yield { text: 'behind' };
          yield* source.messages(call);
        } finally {
          over.resolve();
        }
      },
      { rest: { stalledAnswerMs: 1000 } },
    );
    const fallBehind = async () => {
      const body = await get(FOLLOW, SSE);
      body.pause();
      await full.promise;
      full = Promise.withResolvers();
      return body;
    };
    const body = await fallBehind();
    stop.abort();
    body.resume();
    await body.until('behind');
    stop = new AbortController();
    // One that takes nothing is cut meanwhile.
    await fallBehind();
    await over.promise;
    source.give({ text: 'later' });
    await body.until('later');
    body.cut();
  });

  it('lets the next request of the connection come after a stream that has ended', async () => {
    const { port } = await startStreaming(told);
    for (let n = 0; n < 2; n++) {
      const response = await fetch(`http://127.0.0.1:${port}${FOLLOW}`, { headers: SSE });
      assert.match(await response.text(), /event: complete/);
    }
  });

  it('ends streams with UNAVAILABLE and a token while draining, and takes no new ones', async () => {
    const { get, running } = await startStreaming(async function* (_request, call) {
      call.explainErrors(() => ({ resume_token: 't2' }));
      yield { text: 'one' };
      yield* new Source().messages(call);
    });
    const bodies = await Promise.all([get(FOLLOW, SSE), get(FOLLOW, NDJSON)]);
    const [{ problems }, events, lines] = await Promise.all([running.stop(), bodies[0]!.ended, bodies[1]!.ended]);
    const last = eventsIn(events).at(-1)!;
    assert.deepEqual([last.event, last.id], ['error', 't2']);
    for (const text of [JSON.stringify(last.data), lines])
      assert.match(text, /"code":503,"status":"UNAVAILABLE".*"SHUTTING_DOWN".*"resume_token":"t2"/);
    assert.deepEqual(problems, []);
  });

  it('lets the pages of listed origins read streams, and says what they may send', async () => {
    const origin = 'https://app.example.com';
    const { get } = await startStreaming(told, { rest: { cors: { origins: [origin] } } });
    const body = await get(FOLLOW, { ...SSE, origin });
    assert.deepEqual([body.headers['access-control-allow-origin'], body.headers.vary], [origin, 'Origin, Accept']);
    await body.ended;
    const asked = { origin, 'access-control-request-method': 'GET' };
    const preflight = await get(FOLLOW, asked, 'OPTIONS');
    assert.match(String(preflight.headers['access-control-allow-headers']), /Last-Event-ID/);
  });
});
