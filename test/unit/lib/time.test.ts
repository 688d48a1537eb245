import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DomainError } from '../../../core/contracts/errors.ts';
import { formatRfc3339, fromTimestamp, parseRfc3339, systemClock, toTimestamp } from '../../../core/lib/time.ts';

const FIRST = Date.UTC(1685, 0, 1) * 1000;
const LAST = Date.UTC(2255, 0, 1) * 1000 - 1;
const times = fc.integer({ min: FIRST, max: LAST });

describe('systemClock', () => {
  it('gives whole microseconds near the time of the system, never less than before', () => {
    let last = 0;
    for (let n = 0; n < 10_000; n++) {
      const now = systemClock.now();
      assert.ok(Number.isSafeInteger(now) && now >= last);
      last = now;
    }
    const before = Date.now();
    const now = systemClock.now();
    // It may be two milliseconds off before it is set anew.
    assert.ok(now >= (before - 3) * 1000 && now <= (Date.now() + 3) * 1000);
  });

  it('does not go back when the system clock does, and follows it forward', () => {
    const real = Date.now;
    try {
      const before = systemClock.now();
      Date.now = () => real() - 60_000;
      assert.ok(systemClock.now() >= before);
      Date.now = () => real() + 60_000;
      assert.ok(systemClock.now() >= before + 59_000_000);
    } finally {
      Date.now = real;
    }
  });
});

describe('timestamps', () => {
  it('come back as they were', () => {
    fc.assert(fc.property(times, (micros) => fromTimestamp(toTimestamp(micros), 'due_at') === micros));
  });

  it('are absent for null', () => {
    assert.equal(toTimestamp(null), undefined);
    assert.equal(fromTimestamp(undefined, 'due_at'), null);
  });

  it('count forward from the second, also before 1970', () => {
    assert.deepEqual(toTimestamp(-1), { seconds: -1n, nanos: 999_999_000 });
    assert.equal(fromTimestamp({ seconds: -1n, nanos: 999_999_999 }, 'due_at'), -1);
  });

  it('lose what is finer than a microsecond', () => {
    assert.equal(fromTimestamp({ seconds: 1n, nanos: 1999 }, 'due_at'), 1_000_001);
  });

  it('are refused, by the name of the field, where a column cannot hold them', () => {
    for (const timestamp of [
      { seconds: BigInt(FIRST / 1e6) - 1n, nanos: 999_999_999 },
      { seconds: 9_990_000_000n, nanos: 0 },
      { seconds: 2n ** 62n, nanos: 0 },
      { seconds: 0n, nanos: -1 },
      { seconds: 0n, nanos: 1_000_000_000 },
      { seconds: 0n, nanos: 0.5 },
    ])
      assert.throws(
        () => fromTimestamp(timestamp, 'due_at'),
        (error) => error instanceof DomainError && error.fields[0]?.field === 'due_at',
      );
  });
});

describe('RFC 3339', () => {
  it('comes back as it was', () => {
    fc.assert(fc.property(times, (micros) => parseRfc3339(formatRfc3339(micros)) === micros));
  });

  it('is written with as many digits as the time needs', () => {
    assert.equal(formatRfc3339(0), '1970-01-01T00:00:00Z');
    assert.equal(formatRfc3339(1_500_000), '1970-01-01T00:00:01.500Z');
    assert.equal(formatRfc3339(-1), '1969-12-31T23:59:59.999999Z');
  });

  it('is read with offsets, fractions and small letters', () => {
    const second = Date.UTC(2024, 1, 29, 12, 30, 15) * 1000;
    for (const [text, micros] of [
      ['2024-02-29T12:30:15Z', second],
      ['2024-02-29t12:30:15z', second],
      ['2024-02-29T14:30:15+02:00', second],
      ['2024-02-28T23:00:15-13:30', second],
      ['2024-02-29T12:30:15.5Z', second + 500_000],
      ['2024-02-29T12:30:15.123456789Z', second + 123_456],
    ] as const)
      assert.equal(parseRfc3339(text), micros, text);
  });

  it('is refused where it is none', () => {
    for (const text of [
      '',
      'now',
      '2024-02-29',
      '2024-02-29T12:30Z',
      '2024-02-29T12:30:15',
      '2023-02-29T12:30:15Z',
      '2024-02-30T12:30:15Z',
      '2024-13-01T00:00:00Z',
      '2024-01-01T24:00:00Z',
      '2024-01-01T00:60:00Z',
      '2024-01-01T00:00:60Z',
      '2024-01-01T00:00:00+24:00',
      '2024-01-01T00:00:00.Z',
      '2024-01-01 00:00:00Z',
      '0050-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
    ])
      assert.equal(parseRfc3339(text), undefined, text);
  });
});
