import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DomainError } from '../../../core/contracts/errors.ts';
import { and, eq, isIn, isNull, like, ne, not, or, prefix, range, type Where } from '../../../core/contracts/query.ts';
import { type FilterFields, parseFilter } from '../../../core/lib/filter.ts';

const ranks = ['CRITICAL', 'MAJOR', 'MINOR'];
const fields: FilterFields = {
  summary: { column: 'summary', type: 'text' },
  email: { column: 'email_key', type: 'text', map: (text) => text.toLowerCase() },
  status: { column: 'status', type: 'text', values: ['NEW', 'CLOSED', 'REOPENED'] },
  priority: { column: 'rank', type: 'int64', values: ranks, map: (text) => ranks.indexOf(text) },
  assignee_id: { column: 'assignee_id', type: 'uuid', nullable: true },
  resolution: { column: 'resolution', type: 'text', nullable: true, operators: ['=', '!=', ':'] },
  number: { column: 'number', type: 'int64' },
  archived: { column: 'archived', type: 'bool' },
  due_at: { column: 'due_at', type: 'timestamp', nullable: true },
  created_at: { column: 'created_at', type: 'timestamp' },
};
const NOW = Date.UTC(2024, 5, 15, 12) * 1000;
const DAY = 86_400_000_000;
const parse = (source: string) => parseFilter(source, fields, { now: NOW });

function gives(cases: Readonly<Record<string, Where | undefined>>) {
  for (const [source, where] of Object.entries(cases)) assert.deepEqual(parse(source), where, source);
}

function refuses(source: string, message: RegExp, position?: number) {
  assert.throws(
    () => parse(source),
    (error) => {
      assert.ok(error instanceof DomainError, String(error));
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.equal(error.fields[0]?.field, 'filter');
      assert.match(error.message, message, source);
      if (position !== undefined) assert.match(error.message, new RegExp(`at position ${position}: `), source);
      return true;
    },
    source,
  );
}

const n = (value: number) => eq('number', value);

describe('parseFilter', () => {
  it('gives nothing for an empty filter', () => gives({ '': undefined, ' \t\n': undefined }));

  it('reads every comparison', () =>
    gives({
      'number = 3': n(3),
      'number=3': n(3),
      'number:3': n(3),
      'number != 3': ne('number', 3),
      'number < 3': range('number', { lt: 3 }),
      'number <= 3': range('number', { lte: 3 }),
      'number > -3': range('number', { gt: -3 }),
      'number >= "3"': range('number', { gte: 3 }),
      'number = -0': n(0),
      'archived = true': eq('archived', true),
      'archived != false': ne('archived', false),
      'summary > "b"': range('summary', { gt: 'b' }),
    }));

  it('reads AND, juxtaposition and OR, which binds tighter than AND', () =>
    gives({
      'number = 1 AND archived = true': and(n(1), eq('archived', true)),
      'number = 1 archived = true': and(n(1), eq('archived', true)),
      'number = 1 AND archived = true OR summary = a AND status = NEW': and(
        n(1),
        or(eq('archived', true), eq('summary', 'a')),
        eq('status', 'NEW'),
      ),
      'number = 1 (archived = true OR summary = a)': and(n(1), or(eq('archived', true), eq('summary', 'a'))),
      '(number = 1 archived = true) OR summary = a': or(and(n(1), eq('archived', true)), eq('summary', 'a')),
    }));

  it('reads NOT and the minus, which bind tightest', () =>
    gives({
      'NOT number = 1': ne('number', 1),
      '-number = 1': ne('number', 1),
      'NOT number != 1': n(1),
      'NOT number > 1': not(range('number', { gt: 1 })),
      'NOT number > 1 OR number > 5': or(not(range('number', { gt: 1 })), range('number', { gt: 5 })),
      'NOT (number = 1 archived = true)': not(and(n(1), eq('archived', true))),
      '-(NOT (number > 1))': range('number', { gt: 1 }),
    }));

  it('compares a field with several values in parentheses', () =>
    gives({
      'status = (NEW OR CLOSED)': isIn('status', ['NEW', 'CLOSED']),
      'number = (-1 OR 2)': isIn('number', [-1, 2]),
      'status != (NEW AND CLOSED)': and(ne('status', 'NEW'), ne('status', 'CLOSED')),
      'number = (NOT 1)': ne('number', 1),
    }));

  it('makes one `in` of equalities on a column, and one range of its two bounds, at the top', () =>
    gives({
      'status = NEW OR status = CLOSED OR status = NEW': isIn('status', ['NEW', 'CLOSED']),
      'number = 1 OR number = 1': n(1),
      '(number = 1 OR number = 2) OR number = 3': isIn('number', [1, 2, 3]),
      '(number > 1 AND (archived = true number <= 5)) status = NEW': and(
        range('number', { gt: 1, lte: 5 }),
        eq('archived', true),
        eq('status', 'NEW'),
      ),
      'number > 1 number > 5': and(range('number', { gt: 1 }), range('number', { gt: 5 })),
      'number > 1 AND summary < "x"': and(range('number', { gt: 1 }), range('summary', { lt: 'x' })),
    }));

  it('reads quoted strings with escapes', () =>
    gives({
      'summary = "a b"': eq('summary', 'a b'),
      "summary = 'it\\'s'": eq('summary', "it's"),
      'summary = "\\"\\\\"': eq('summary', '"\\'),
      'summary = "naïve \u{1f600}"': eq('summary', 'naïve \u{1f600}'),
      'summary = "AND"': eq('summary', 'AND'),
      'summary = ""': eq('summary', ''),
      'email = Ann@Example.com': eq('email_key', 'ann@example.com'),
    }));

  it('takes a star at the end for any end, and an escaped one for itself', () =>
    gives({
      'summary = "abc*"': prefix('summary', 'abc'),
      'summary = abc*': prefix('summary', 'abc'),
      'summary != "abc*"': not(prefix('summary', 'abc')),
      'email = "Ann*"': prefix('email_key', 'ann'),
      'summary = "abc\\*"': eq('summary', 'abc*'),
    }));

  it('takes a star anywhere for any text', () =>
    gives({
      'summary = "*c"': like('summary', ['', 'c']),
      'summary = "*b*"': like('summary', ['', 'b', '']),
      'summary = *b*': like('summary', ['', 'b', '']),
      'summary:"a*c"': like('summary', ['a', 'c']),
      'summary != "a*\\**"': not(like('summary', ['a', '*', ''])),
      'summary = "*"': prefix('summary', ''),
      'email = "*@Example.com"': like('email_key', ['', '@example.com']),
      'status = NE*': prefix('status', 'NE'),
      'status != "*O*"': not(like('status', ['', 'O', ''])),
    }));

  it('refuses a star where a value is no text, or has an order', () => {
    refuses('summary < "a*"', /without a wildcard/);
    refuses('number = 1*', /a whole number without/);
    refuses('assignee_id = "0*"', /a UUID/);
  });

  it('reads null, the empty text and `:*` of fields that may have no value', () =>
    gives({
      'assignee_id = null': isNull('assignee_id'),
      'assignee_id = ""': isNull('assignee_id'),
      'assignee_id != null': not(isNull('assignee_id')),
      'NOT assignee_id = null': not(isNull('assignee_id')),
      'NOT assignee_id:*': isNull('assignee_id'),
      'due_at:*': not(isNull('due_at')),
      'summary:*': ne('summary', ''),
      'number:* AND number = 1': n(1),
      'resolution = "null"': eq('resolution', 'null'),
    }));

  it('reads times, and times relative to now', () =>
    gives({
      'created_at > 2024-01-01T00:00:00Z': range('created_at', { gt: Date.UTC(2024, 0, 1) * 1000 }),
      'created_at > "2024-01-01T01:00:00.000001+01:00"': range('created_at', { gt: Date.UTC(2024, 0, 1) * 1000 + 1 }),
      'due_at < now': range('due_at', { lt: NOW }),
      'due_at>=now-7d due_at<now+1h30m': range('due_at', { gte: NOW - 7 * DAY, lt: NOW + DAY / 16 }),
      'due_at < now+2w1d1h1m1s': range('due_at', { lt: NOW + 15 * DAY + 3_661_000_000 }),
    }));

  it('reads a value by the name that the field maps', () =>
    gives({
      'priority <= MAJOR': range('rank', { lte: 1 }),
      'priority = CRITICAL OR priority = MINOR': isIn('rank', [0, 2]),
      'assignee_id = F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6': eq('assignee_id', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'),
    }));

  it('refuses an unknown field, and lists the fields', () => {
    refuses('name = x', /expected a field \(one of: summary, email, status, .*created_at\)/, 1);
    refuses('number = 1 AND Status = NEW', /expected a field/, 16);
    refuses('summary = hello world', /a value with spaces needs quotes/, 17);
    refuses('number = 1 and archived = true', /keywords are AND, OR, NOT/, 12);
    for (const source of ['hello', 'toString = 1', '__proto__ = 1', 'summary.x = 1', 'f(summary)', '"summary" = 1'])
      refuses(source, /expected a field/, 1);
  });

  it('refuses a value that is not of the type of the field', () => {
    for (const value of ['x', '1.5', '1e3', '""', '9007199254740992', '99999999999999999999', '0x1', 'true'])
      refuses(`number = ${value}`, /a whole number/, 10);
    for (const value of ['1', 'TRUE', 'yes', '"t"']) refuses(`archived = ${value}`, /true or false/, 12);
    for (const value of ['2024-01-01', 'now-', 'now+7', 'now-7y', '"now"', 'now+999999999w', '0'])
      refuses(`created_at < ${value}`, /a time/);
    refuses('assignee_id = x', /a UUID, or null/, 15);
    refuses('status = OLD', /one of: NEW, CLOSED, REOPENED/, 10);
    refuses('status = ""', /one of: NEW/, 10);
    refuses('summary = null', /always has one; the text null needs quotes/, 11);
    refuses('due_at < null', /only = and !=/, 10);
  });

  it('refuses an operator that the field does not take, and names those that it does', () => {
    refuses('archived < true', /operators = != :/, 10);
    refuses('assignee_id >= x', /operators = != :/, 13);
    refuses('resolution > FIXED', /operators = != :/, 12);
  });

  it('says where it stopped understanding and what it expected there', () => {
    refuses('number', /one of the operators .* after number, but the filter ends/, 7);
    refuses('number 3', /one of the operators/, 8);
    refuses('number =', /a value.*but the filter ends/, 9);
    refuses('number = = 3', /a value/, 10);
    refuses('number = AND', /a value/, 10);
    refuses('number = 3 AND', /a field.*but the filter ends/, 15);
    refuses('number = 3 OR OR number = 4', /a field/, 15);
    refuses('AND number = 3', /a field/, 1);
    refuses('NOT NOT number = 3', /a field/, 5);
    refuses('(number = 3', /AND, OR, another comparison or \)/, 12);
    refuses('number = 3)', /AND, OR or another comparison/, 11);
    refuses('()', /a field/, 2);
    refuses('number = (1 OR 2', /another comparison or \)/, 17);
    refuses('summary = "abc', /a closing "/, 15);
    refuses('summary = "a\\n"', /after a backslash/, 14);
    refuses('summary = a\\*', /a field/, 12);
    refuses('summary = "\u{1f600}" number', /one of the operators/, 21);
  });

  it('does not repeat what was sent', () => {
    assert.throws(
      () => parse('status = secret-value'),
      (error: Error) => !error.message.includes('secret'),
    );
  });

  it('bounds length, depth and the number of comparisons', () => {
    const nested = (depth: number) => `${'('.repeat(depth)}number = 1${')'.repeat(depth)}`;
    assert.deepEqual(parse(nested(20)), n(1));
    refuses(nested(21), /at most 20 levels/, 21);
    refuses(`${'('.repeat(4000)}`, /at most 20 levels/);
    const many = (count: number) => Array.from({ length: count }, (_, i) => `number = ${i}`).join(' OR ');
    assert.deepEqual(
      parse(many(100)),
      isIn(
        'number',
        Array.from({ length: 100 }, (_, i) => i),
      ),
    );
    refuses(many(101), /at most 100 comparisons/);
    refuses(`summary = "${'x'.repeat(4096)}"`, /at most 4096 characters/);
  });

  it('refuses text that a store could not hold', () => {
    refuses('summary = "a\0"', /well-formed/);
    refuses('summary = "\ud800"', /well-formed/);
  });

  it('throws nothing but DomainError, whatever is sent', () => {
    const word = fc.constantFrom(
      ...Object.keys(fields),
      ...['=', '!=', '<', '<=', '>', '>=', ':', 'AND', 'OR', 'NOT', '-', '(', ')', '"', "'", '\\', '*', '.', ','],
      ...['NEW', 'MAJOR', '"a b"', "'x*'", '12', '-1', 'true', 'null', 'now', 'now-7d', '2024-01-01T00:00:00Z', '""'],
    );
    const pieces = fc.array(fc.oneof({ weight: 9, arbitrary: word }, fc.string({ unit: 'binary', maxLength: 5 })));
    fc.assert(
      fc.property(pieces, fc.constantFrom(' ', ''), (words, glue) => {
        try {
          parse(words.join(glue));
        } catch (error) {
          assert.ok(error instanceof DomainError, String(error));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('means what its parts mean: it holds for the rows for which its comparisons hold', () => {
    type Tree = number | { readonly op: 'AND' | 'OR' | 'NOT' | ''; readonly of: readonly Tree[] };
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.integer({ min: 0, max: 5 }),
        fc.record({
          op: fc.constantFrom('AND' as const, 'OR' as const, '' as const),
          of: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
        }),
        fc.record({ op: fc.constant('NOT' as const), of: fc.tuple(tie('tree')) }),
      ),
    }));
    const write = (node: Tree): string => {
      if (typeof node === 'number') return node % 2 ? `number = ${node}` : `number > ${node}`;
      const of = node.of.map((child) => (typeof child === 'number' ? write(child) : `(${write(child)})`));
      return node.op === 'NOT' ? `NOT ${of[0]}` : of.join(` ${node.op} `);
    };
    const holds = (node: Tree, row: number): boolean => {
      if (typeof node === 'number') return node % 2 ? row === node : row > node;
      if (node.op === 'NOT') return !holds(node.of[0] as Tree, row);
      return node.op === 'OR' ? node.of.some((each) => holds(each, row)) : node.of.every((each) => holds(each, row));
    };
    const matches = (where: Where, row: number): boolean => {
      if (where.op === 'and') return where.all.every((each) => matches(each, row));
      if (where.op === 'or') return where.all.some((each) => matches(each, row));
      if (where.op === 'not') return !matches(where.where, row);
      if (where.op === 'eq') return row === where.value;
      if (where.op === 'ne') return row !== where.value;
      if (where.op === 'in') return where.values.includes(row);
      assert.ok(where.op === 'range' && where.gt !== undefined, JSON.stringify(where));
      return row > (where.gt as number);
    };
    fc.assert(
      fc.property(tree, (node) => {
        const source = write(node);
        const where = parse(source) as Where;
        for (let row = 0; row < 8; row++) assert.equal(matches(where, row), holds(node, row), `${source} on ${row}`);
      }),
      { numRuns: 1000 },
    );
  });
});
