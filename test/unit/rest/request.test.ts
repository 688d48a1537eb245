import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Api } from '../../../core/contracts/api.ts';
import { type Fields, fakeApi, fixture, type Gateway, reasonOf, shown, startGateway, violations } from './harness.ts';

describe('rest: requests', () => {
  let gateway: Gateway;
  let seen: Fields;
  before(async () => {
    const api: Api = fakeApi(fixture, {
      Put(request) {
        seen = shown(api, request);
        return request;
      },
    });
    gateway = await startGateway(api);
  });
  after(() => gateway.stop());

  const query = async (text: string) => {
    const reply = await gateway.send('GET', `/t/everything?${text}`);
    return reply.status === 200 ? seen : violations(reply);
  };
  const put = async (json: unknown) => {
    const reply = await gateway.send('PUT', '/t/everything', { json });
    return reply.status === 200 ? seen : violations(reply);
  };
  const putText = (body: string) =>
    gateway.send('PUT', '/t/everything', { body, headers: { 'Content-Type': 'application/json' } });

  describe('query parameters', () => {
    it('are fields by their proto names and their JSON names', async () =>
      assert.deepEqual(await query('due_at=2026-01-01T00:00:00Z&timeLeft=1.5s'), {
        dueAt: '2026-01-01T00:00:00Z',
        timeLeft: '1.500s',
      }));
    it('are fields of fields', async () =>
      assert.deepEqual(await query('nested.name=a&nested.inner.seen_at=2026-01-01T00:00:00Z'), {
        nested: { name: 'a', inner: { seenAt: '2026-01-01T00:00:00Z' } },
      }));
    it('are lists where a repeated field is given several times', async () =>
      assert.deepEqual(await query('texts=b&numbers=1&texts=a&nested.tags=x&nested.tags=y'), {
        texts: ['b', 'a'],
        numbers: [1],
        nested: { tags: ['x', 'y'] },
      }));
    it('are of any scalar, enum or well-known type that is one value', async () => {
      const sent = 'number=-5&big=9007199254740993&unsigned=18446744073709551615&ratio=1.5e3&flag=true&data=_-8';
      assert.deepEqual(await query(sent), {
        number: -5,
        big: '9007199254740993',
        unsigned: '18446744073709551615',
        ratio: 1500,
        flag: true,
        data: '/+8=',
      });
      assert.deepEqual(await query('color=COLOR_RED&colors=2&colors=COLOR_RED'), {
        color: 'COLOR_RED',
        colors: ['COLOR_GREEN', 'COLOR_RED'],
      });
      assert.deepEqual(await query('wrapped_text=&wrapped_big=7&readMask=a,b.c&times=2026-01-01T00:00:00Z'), {
        wrappedText: '',
        wrappedBig: '7',
        readMask: 'a,b.c',
        times: ['2026-01-01T00:00:00Z'],
      });
    });
    it('are decoded, with a plus for a space', async () =>
      assert.deepEqual(await query('text=a+b%2B%26%C3%A9&&maybe'), { text: 'a b+&é', maybe: '' }));
    it('that are unknown are refused by name', async () => {
      for (const name of [
        'nope',
        'nested.nope',
        'text.nope',
        'due_at.seconds',
        'nested.',
        '',
        '__proto__',
        'constructor',
      ])
        assert.equal(((await query(`${name}=1`)) as string[])[0]?.split(':')[0], name);
    });
    it('that are given twice for a field that is one value are refused', async () => {
      assert.deepEqual(await query('text=a&text=a'), ['text: must be given once']);
      assert.deepEqual(await query('due_at=2026-01-01T00:00:00Z&dueAt=2026-01-01T00:00:00Z'), [
        'due_at: must be given once',
      ]);
    });
    it('that cannot be text are refused', async () => {
      for (const name of ['nested', 'items', 'counts', 'free', 'any', 'value'])
        assert.deepEqual(await query(`${name}=1`), [`${name}: cannot be given as a query parameter`]);
    });
    it('of the wrong type are refused with their paths', async () => {
      for (const text of ['number=x', 'number=1.5', 'number=0x10', 'number=', 'number=2147483648', 'big=1e3'])
        assert.match(String(await query(text)), /^(number|big): must be an integer/);
      assert.match(String(await query('flag=1')), /^flag: must be true or false/);
      assert.match(String(await query('ratio=0x1')), /^ratio: must be a number/);
      assert.match(
        String(await query('colors=COLOR_RED&colors=BLUE')),
        /^colors\[1\]: must be one of COLOR_UNSPECIFIED,/,
      );
      assert.match(String(await query('nested.seen_at=today')), /^nested\.seen_at: must be a time in RFC 3339/);
      assert.match(String(await query('time_left=5')), /^time_left: must be a number of seconds/);
      assert.match(String(await query('data=%24')), /^data: must be a string in base64/);
      assert.match(String(await query('wrapped_big=x')), /^wrapped_big: must be an integer/);
    });
    it('that are not percent-encoded UTF-8 are refused', async () => {
      for (const text of ['text=%', 'text=%C3', '%ff=1'])
        assert.equal(reasonOf(await gateway.send('GET', `/t/everything?${text}`)), 'INVALID_QUERY');
    });
    it('are refused beside a body that is the whole request', async () => {
      const reply = await gateway.send('PUT', '/t/everything?text=a', { json: {} });
      assert.deepEqual(violations(reply), ['text: is given by the body, and not as a query parameter']);
    });
    it('are taken beside a body that is one field, but for that field', async () => {
      await gateway.send('POST', '/t/everything/nested?text=a', { json: { name: 'n' } });
      assert.deepEqual(seen, { text: 'a', nested: { name: 'n' } });
      const reply = await gateway.send('POST', '/t/everything/nested?nested.name=a', { json: {} });
      assert.deepEqual(violations(reply), ['nested: is given by the body, and not as a query parameter']);
    });
    it('are refused for a field that the path gives', async () => {
      const reply = await gateway.send('GET', '/t/choice/x?word=x');
      assert.deepEqual(violations(reply), ['word: is given by the path, and not as a query parameter']);
    });
    it('refuse two members of a oneof', async () =>
      assert.match(String(await query('word=a&node.name=b')), /node: must not be given together with word/));
  });

  describe('JSON', () => {
    it('is taken with proto names and JSON names', async () =>
      assert.deepEqual(
        await put({ due_at: '2026-01-01T00:00:00Z', timeLeft: '2s', by_number: { 1: { seen_at: null } } }),
        {
          dueAt: '2026-01-01T00:00:00Z',
          timeLeft: '2s',
          byNumber: { 1: {} },
        },
      ));
    it('is taken with every type that proto3 JSON has', async () => {
      const everything = {
        big: '9007199254740993',
        data: 'AQI=',
        color: 'COLOR_GREEN',
        items: [{ name: 'a', inner: { tags: ['x'] } }],
        counts: { a: 1, __proto__x: 2 },
        wrappedText: 'w',
        wrappedBig: '5',
        any: { '@type': 'type.googleapis.com/gateway.test.Nested', name: 'n' },
        free: { a: [1, 'b', null, { c: true }] },
        value: null,
        times: ['2026-01-01T00:00:00.123456Z'],
        node: { name: 'n' },
      };
      assert.deepEqual(await put(everything), everything);
    });
    it('of a field names what is wrong in it below that field', async () => {
      const reply = await gateway.send('POST', '/t/everything/nested', { json: { inner: { tags: [1] } } });
      assert.deepEqual(violations(reply), ['nested.inner.tags[0]: must be a string']);
      const twice = {
        body: '{"inner":{"seen_at":null,"seen_at":null}}',
        headers: { 'Content-Type': 'application/json' },
      };
      assert.deepEqual(violations(await gateway.send('POST', '/t/everything/nested', twice)), [
        'nested.inner.seen_at: must be given once',
      ]);
    });
    it('of a repeated field is an array, and so is its response_body', async () => {
      const reply = await gateway.send('POST', '/t/everything/texts', { json: ['a', 'b'] });
      assert.deepEqual([seen, reply.json], [{ texts: ['a', 'b'] }, ['a', 'b']]);
    });
    it('may be missing where it is the whole request', async () => {
      const reply = await gateway.send('PUT', '/t/everything');
      assert.deepEqual([reply.status, seen], [200, {}]);
    });
    it('that is no object is refused', async () => {
      for (const body of ['null', '[]', '1', '"a"']) {
        const reply = await putText(body);
        assert.deepEqual([reply.status, reasonOf(reply)], [400, 'INVALID_JSON']);
      }
    });
    it('with a wrong field is refused with the path of every such field, and never the value', async () => {
      const reply = await gateway.send('PUT', '/t/everything', {
        json: {
          dueAt: 'hunter2',
          unknown: 1,
          nested: { inner: { color: 'hunter2', nope: {} } },
          items: [{}, { name: 5 }, 'hunter2', null],
          texts: ['a', 1, null],
          numbers: 'hunter2',
          counts: { a: 'hunter2', 'b"': null },
          by_number: { x: {}, 1: { name: 1 } },
          any: { '@type': 'hunter2' },
          free: [],
        },
      });
      assert.equal(reply.status, 400);
      assert.doesNotMatch(reply.text, /hunter2/);
      assert.match(reply.json.error.message, /^due_at: must be a time in RFC 3339 form.* \(and 15 more\)$/);
      assert.deepEqual(
        violations(reply).map((violation) => violation.slice(0, violation.indexOf(':'))),
        [
          'due_at',
          'unknown',
          'nested.inner.color',
          'nested.inner.nope',
          'items[1].name',
          'items[2]',
          'items[3]',
          'texts[1]',
          'texts[2]',
          'numbers',
          'counts["a"]',
          'counts["b\\""]',
          'by_number[1].name',
          'by_number[x]',
          'any',
          'free',
        ],
      );
    });
    it('names an unknown field by well-formed text of bounded length', async () => {
      assert.match(String(await put({ ['\ud800']: 1 })), /^\ufffd: is not a field/);
      assert.match(String(await put({ ['x'.repeat(5000)]: 1 })), /^x{256}: is not a field/);
    });
    it('is taken, or refused with at least one field, whatever it is', async () => {
      const names = ['text', 'number', 'big', 'ratio', 'flag', 'data', 'color', 'nested', 'texts', 'items', 'counts'];
      const more = [
        'byNumber',
        'due_at',
        'time_left',
        'readMask',
        'wrapped_text',
        'any',
        'free',
        'value',
        'word',
        'nope',
      ];
      const leaf = fc.oneof(
        fc.constantFrom(null, true, '', 'a', '1', 'COLOR_RED', '2026-01-01T00:00:00Z', '1s', '\ud800'),
        fc.integer(),
        fc.double(),
      );
      const { json } = fc.letrec((tie) => ({
        json: fc.oneof(
          { depthSize: 'small' },
          leaf,
          fc.array(tie('json'), { maxLength: 3 }),
          fc.dictionary(fc.constantFrom('name', 'inner', 'tags', 'seen_at', '1', '@type'), tie('json'), { maxKeys: 3 }),
        ),
      }));
      const body = fc.dictionary(fc.constantFrom(...names, ...more), json, { maxKeys: 3 });
      await fc.assert(
        fc.asyncProperty(body, async (value) => {
          const reply = await gateway.send('PUT', '/t/everything', { json: value });
          if (reply.status === 200) return;
          assert.equal(reply.status, 400);
          assert.ok(violations(reply).length > 0, reply.text);
        }),
        { numRuns: 500 },
      );
    });
    it('with very many wrong fields names 25', async () =>
      assert.equal((await put({ texts: Array.from({ length: 100_000 }, () => 1) })).length, 25));
    it('finds one wrong value among very many', async () => {
      const numbers = Array.from({ length: 200_000 }, (_, index) => (index === 123_456 ? 'x' : 1));
      assert.match(String(await put({ numbers })), /^numbers\[123456\]: must be an integer/);
    });
    it('with a time that no calendar has is refused, wherever it is', async () => {
      const late = '2026-02-30T12:00:00Z';
      const timestamp = 'type.googleapis.com/google.protobuf.Timestamp';
      const nested = 'type.googleapis.com/gateway.test.Nested';
      for (const [json, path] of [
        [{ dueAt: late }, 'due_at'],
        [{ due_at: late }, 'due_at'],
        [{ nested: { inner: { inner: { seenAt: late } } } }, 'nested.inner.inner.seen_at'],
        [{ items: [{}, { seenAt: late }] }, 'items[1].seen_at'],
        [{ times: ['2026-01-01T00:00:00Z', late] }, 'times[1]'],
        [{ byNumber: { 7: { seenAt: late } } }, 'by_number[7].seen_at'],
        [{ node: { seenAt: late } }, 'node.seen_at'],
        [{ any: { '@type': timestamp, value: late } }, 'any'],
        [{ any: { '@type': nested, seenAt: late } }, 'any'],
      ] as const) {
        const [violation, ...others] = await put(json);
        assert.deepEqual([violation?.split(':')[0], others], [path, []]);
      }
      assert.match(String(await put({ dueAt: late })), /^due_at: must be a time in RFC 3339 form/);
      assert.match(String(await query(`nested.seen_at=${late}&due_at=2026-01-01T00:00:00Z`)), /^nested\.seen_at: /);
      assert.match(String(await query(`times=${late}`)), /^times\[0\]: /);
      const reply = await gateway.send('POST', '/t/everything/nested', { json: { seenAt: late } });
      assert.deepEqual([reply.status, violations(reply).length], [400, 1]);
    });
    it('with a time takes the days of the calendar in RFC 3339 form, from the year 1 to 9999', async () => {
      for (const [text, shown] of [
        ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59Z'],
        ['2000-02-29T00:00:00+23:59', '2000-02-28T00:01:00Z'],
        ['2026-12-31T23:30:00.5-01:00', '2027-01-01T00:30:00.500Z'],
        ['2026-01-01T00:00:00.123456789Z', '2026-01-01T00:00:00.123456789Z'],
        ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
        ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z'],
      ])
        assert.deepEqual(await put({ dueAt: text }), { dueAt: shown });
      for (const text of [
        '2026-02-29T00:00:00Z',
        '1900-02-29T00:00:00Z',
        '2026-04-31T00:00:00Z',
        '2026-00-01T00:00:00Z',
        '2026-13-01T00:00:00Z',
        '2026-01-00T00:00:00Z',
        '2026-01-01T24:00:00Z',
        '2026-02-30T24:00:00Z',
        '2026-01-01T23:60:00Z',
        '2016-12-31T23:59:60Z',
        '2026-01-01t00:00:00Z',
        '2026-01-01T00:00:00z',
        '2026-01-01T00:00:00',
        '2026-01-01T00:00:00+24:00',
        '2026-01-01T00:00:00+01:60',
        '2026-01-01T00:00:00.1234567890Z',
        '2026-01-01T00:00:00.Z',
        '0001-01-01T00:00:00+00:01',
        '0000-01-01T00:00:00Z',
        '+002026-01-01T00:00:00Z',
      ])
        assert.match(String(await put({ dueAt: text })), /^due_at: /, text);
    });
    it('takes numbers and durations as text in decimal digits only', async () => {
      const taken = {
        number: '-12',
        big: '12',
        ratio: '1.5e3',
        counts: { a: '1' },
        byNumber: { 3: {} },
        timeLeft: '1.5s',
      };
      const read = { number: -12, big: '12', ratio: 1500, counts: { a: 1 }, byNumber: { 3: {} }, timeLeft: '1.500s' };
      assert.deepEqual(await put(taken), read);
      for (const [json, path] of [
        [{ number: '0x10' }, 'number'],
        [{ number: '+1' }, 'number'],
        [{ big: '0x10' }, 'big'],
        [{ unsigned: '0b1' }, 'unsigned'],
        [{ ratio: '0x10' }, 'ratio'],
        [{ numbers: [1, '0o7'] }, 'numbers[1]'],
        [{ counts: { a: '0x10' } }, 'counts["a"]'],
        [{ byNumber: { '0x10': {} } }, 'by_number[0x10]'],
        [{ wrappedBig: '0x10' }, 'wrapped_big'],
        [{ timeLeft: '1sxyz' }, 'time_left'],
        [{ timeLeft: '1.0000000001s' }, 'time_left'],
      ] as const) {
        const [violation, ...others] = await put(json);
        assert.deepEqual([violation?.split(':')[0], others], [path, []]);
      }
    });
    it('with a field under both of its names is refused', async () =>
      assert.deepEqual(await put({ due_at: null, dueAt: null }), ['due_at: must be given once']));
    it('with two members of a oneof is refused', async () =>
      assert.deepEqual(await put({ word: 'a', node: {} }), ['node: must not be given together with word']));
    it('with a key twice is refused with its path', async () => {
      const twice = async (body: string) => violations(await putText(body));
      assert.deepEqual(await twice('{"text":"a","te\\u0078t":"b"}'), ['text: must be given once']);
      assert.deepEqual(await twice('{"items":[{},{"seenAt":1,"x":[",}{"],"seenAt":2}]}'), [
        'items[1].seen_at: must be given once',
      ]);
      assert.deepEqual(await twice('{"counts":{"a":1,"a":1}}'), ['counts["a"]: must be given once']);
      assert.equal(
        (await putText('{"nested":{"name":"text"},"text":"name","items":[{"name":"a"},{"name":"a"}]}')).status,
        200,
      );
    });
    it('treats __proto__ as a field like any other, and pollutes nothing', async () => {
      const reply = await putText('{"__proto__":{"polluted":1},"nested":{"__proto__":{"name":"x"}}}');
      assert.deepEqual(
        violations(reply).map((violation) => violation.split(':')[0]),
        ['__proto__', 'nested.__proto__'],
      );
      const kept = await putText('{"counts":{"__proto__":5},"free":{"__proto__":{"a":1}}}');
      assert.match(kept.text, /"counts":\{"__proto__":5\}/);
      assert.match(kept.text, /"free":\{"__proto__":\{"a":1\}\}/);
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    });
    it('with half of a surrogate pair is refused with its field', async () => {
      const half = async (body: string) => violations(await putText(body)).map((violation) => violation.split(':')[0]);
      assert.deepEqual(await half('{"text":"\\ud800"}'), ['text']);
      assert.deepEqual(await half('{"items":[{"tags":["a","\\udc00x"]}]}'), ['items[0].tags[1]']);
      assert.deepEqual(await half('{"free":{"a":["\\uD800"]}}'), ['free']);
      assert.deepEqual(await half('{"value":{"\\uD800":1}}'), ['value']);
      assert.equal((await putText('{"text":"\\ud83d\\ude00"}')).json.text, '😀');
    });
    it('that nests deeper than 32 levels is refused', async () => {
      const nested = (depth: number) => `${'{"inner":'.repeat(depth)}{}${'}'.repeat(depth)}`;
      const post = (body: string) =>
        gateway.send('POST', '/t/everything/nested', { body, headers: { 'Content-Type': 'application/json' } });
      assert.equal((await post(nested(31))).status, 200);
      const reply = await post(nested(32));
      assert.deepEqual([reply.status, reasonOf(reply)], [400, 'INVALID_JSON']);
      assert.match((await putText(`{"free":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)).text, /32 levels/);
      assert.equal((await putText('{"text":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}')).status, 200);
    });
    it('with a syntax error is refused without being repeated', async () => {
      for (const body of [
        '{',
        '{"text":hunter2}',
        '{"text":"a"} x',
        "{'text':1}",
        '{"text":"a",}',
        '\ufeff{}',
        ' ',
        'NaN',
      ]) {
        const reply = await putText(body);
        assert.deepEqual([body, reply.status, reasonOf(reply)], [body, 400, 'INVALID_JSON']);
        assert.doesNotMatch(reply.text, /hunter2/);
      }
      assert.match((await putText('{"a" 1}')).json.error.message, /at position 5/);
    });
  });

  describe('a field of the path', () => {
    it('may be in the body too, where it says the same', async () => {
      const thing = (json: unknown) => gateway.send('PATCH', '/t/things/1', { json });
      assert.equal((await thing({ id: '1' })).status, 200);
      assert.equal((await thing({ id: '' })).status, 200);
      assert.deepEqual(violations(await thing({ id: '2' })), ['id: must be what the path says, or be left out']);
      const wrapped = await gateway.send('PATCH', '/t/wrapped/1', { json: { id: '2' } });
      assert.deepEqual(violations(wrapped), ['thing.id: must be what the path says, or be left out']);
    });
    it('of the wrong type is refused with its name', async () => {
      const reply = await gateway.send('GET', '/t/typed/x/true/COLOR_RED/n/m');
      assert.match(String(violations(reply)), /^number: must be an integer/);
      assert.match(String(violations(await gateway.send('GET', '/t/typed/1/true/BLUE/n/m'))), /^color: must be one of/);
    });
  });
});
