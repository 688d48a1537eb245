import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DomainError } from '../../../core/contracts/errors.ts';
import { maskedFields } from '../../../core/lib/masks.ts';
import { parseOrder } from '../../../core/lib/order.ts';
import { pageSize, readToken, writeToken } from '../../../core/lib/pages.ts';
import { seededRandom } from '../../../core/lib/random.ts';

const refusedField = (field: string, text: RegExp) => (error: unknown) =>
  error instanceof DomainError &&
  error.code === 'INVALID_ARGUMENT' &&
  error.fields[0]?.field === field &&
  text.test(error.message);

describe('maskedFields', () => {
  const allowed = ['summary', 'assignee_id', 'due_at'] as const;
  const request = { id: 'x', summary: 'new', assigneeId: undefined, dueAt: { seconds: 1n, nanos: 0 } };

  it('takes the fields that are present when there is no mask, or an empty one', () => {
    assert.deepEqual(maskedFields(request, allowed, undefined), ['summary', 'due_at']);
    assert.deepEqual(maskedFields(request, allowed, []), ['summary', 'due_at']);
    assert.deepEqual(maskedFields({ summary: '' }, allowed, undefined), ['summary']);
  });

  it('takes the fields that the mask names, present or not, once each and in the declared order', () => {
    const paths = ['due_at', 'assigneeId', 'assignee_id', 'due_at'];
    assert.deepEqual(maskedFields(request, allowed, paths), ['assignee_id', 'due_at']);
  });

  it('takes all fields for a star', () => {
    assert.deepEqual(maskedFields(request, allowed, ['*']), [...allowed]);
  });

  it('refuses a path that is not one of the fields, and names them', () => {
    for (const path of ['id', 'created_at', 'summary.x', 'Summary', '', ' summary', 'constructor', 'assignee_Id'])
      assert.throws(
        () => maskedFields(request, allowed, ['summary', path]),
        refusedField('update_mask', /summary, assignee_id, due_at/),
        path,
      );
    assert.throws(() => maskedFields(request, allowed, ['*', 'summary']), refusedField('update_mask', /'\*'/));
  });
});

describe('parseOrder', () => {
  const allowed = {
    created_at: ['created_at'],
    priority: ['priority_rank'],
    'status,created_at': ['status', 'created_at'],
  };
  const fallback = { columns: ['created_at'] };

  it('reads a field and a direction', () => {
    assert.deepEqual(parseOrder('created_at', allowed, fallback), { columns: ['created_at'] });
    assert.deepEqual(parseOrder('priority asc', allowed, fallback), { columns: ['priority_rank'] });
    assert.deepEqual(parseOrder('  priority   desc ', allowed, fallback), {
      columns: ['priority_rank'],
      descending: true,
    });
  });

  it('takes the fallback when there is none', () => {
    assert.equal(parseOrder('', allowed, fallback), fallback);
    assert.equal(parseOrder(' ', allowed, fallback), fallback);
  });

  it('reads several fields where they are allowed together, in one direction', () => {
    assert.deepEqual(parseOrder('status desc, created_at desc', allowed, fallback), {
      columns: ['status', 'created_at'],
      descending: true,
    });
    assert.throws(() => parseOrder('created_at, priority', allowed, fallback), refusedField('order_by', /created_at/));
    assert.throws(
      () => parseOrder('status desc, created_at', allowed, fallback),
      refusedField('order_by', /one direction/),
    );
  });

  it('refuses anything else, and lists what is allowed', () => {
    for (const text of [
      'name',
      'created_at up',
      'created_at DESC',
      'created_at desc desc',
      ',',
      'created_at,',
      'toString',
    ])
      assert.throws(() => parseOrder(text, allowed, fallback), refusedField('order_by', /created_at; priority/), text);
  });
});

describe('pageSize', () => {
  it('is 50 for 0, at most 1000, and not negative', () => {
    assert.deepEqual([0, 1, 50, 1000, 1001, 2 ** 31 - 1].map(pageSize), [50, 1, 50, 1000, 1000, 1000]);
    assert.throws(() => pageSize(-1), refusedField('page_size', /negative/));
  });
});

describe('page tokens', () => {
  it('give back the cursor, for the same query', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (cursor, query) => {
        assert.equal(readToken(writeToken(cursor, query), query), cursor);
      }),
    );
  });

  it('are absent when empty', () => {
    assert.equal(readToken('', 'q'), undefined);
  });

  it('are opaque and fit a URL', () => {
    assert.match(writeToken('cursor', 'query'), /^[A-Za-z0-9_-]+$/);
  });

  it('are refused for another query', () => {
    assert.throws(() => readToken(writeToken('c', 'users ""'), 'users "x"'), refusedField('page_token', /same list/));
  });

  it('are refused when any character is changed, added or missing', () => {
    const token = writeToken('a cursor', 'query');
    const damaged = [`${token}A`, `${token}=`, ` ${token}`, token.slice(1), token.slice(0, -1), '%', 'AAAA'];
    for (let i = 0; i < token.length; i++)
      for (const char of ['A', 'B', '-', '+', '\u{1f600}'])
        if (token[i] !== char) damaged.push(token.slice(0, i) + char + token.slice(i + 1));
    for (const each of damaged)
      assert.throws(() => readToken(each, 'query'), refusedField('page_token', /next_page_token/), each);
  });

  it('are refused, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (token) => {
        assert.throws(() => readToken(token, 'query'), DomainError);
      }),
    );
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const numbers = (seed: string) => {
      const random = seededRandom(seed);
      return Array.from({ length: 50 }, () => random.integer(0, 1_000_000));
    };
    assert.deepEqual(numbers('users'), numbers('users'));
    assert.notDeepEqual(numbers('users'), numbers('projects'));
  });

  it('gives the numbers it always gave', () => {
    const random = seededRandom('users');
    assert.deepEqual(
      Array.from({ length: 5 }, () => random.integer(1, 100)),
      [73, 53, 85, 49, 47],
    );
  });

  it('reaches both bounds and each of the things to pick from', () => {
    const random = seededRandom('bounds');
    const seen = new Set(Array.from({ length: 1000 }, () => random.integer(-2, 2)));
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [-2, -1, 0, 1, 2],
    );
    assert.deepEqual(new Set(Array.from({ length: 200 }, () => random.pick(['a', 'b']))), new Set(['a', 'b']));
    assert.throws(() => random.pick([]), RangeError);
  });
});
