import assert from 'node:assert/strict';
import { isUuid, uuidv7, uuidv7Series } from '../../../core/lib/uuid.ts';

describe('uuidv7', () => {
  it('makes lower-case ids of version 7 and the RFC variant', () => {
    for (let n = 0; n < 1000; n++)
      assert.match(uuidv7(), /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('begins with the time in milliseconds', () => {
    const before = Date.now();
    const millis = Number.parseInt(uuidv7().replaceAll('-', '').slice(0, 12), 16);
    assert.ok(millis >= before && millis <= Date.now());
  });

  it('makes each id greater than the one before, also within a millisecond', () => {
    let last = '';
    for (let n = 0; n < 50_000; n++) {
      const next = uuidv7();
      assert.ok(next > last, `${next} after ${last}`);
      last = next;
    }
  });

  it('keeps the order when the clock is set back', () => {
    const real = Date.now;
    try {
      const first = uuidv7();
      Date.now = () => real() - 3_600_000;
      const second = uuidv7();
      Date.now = real;
      assert.ok(first < second && second < uuidv7());
    } finally {
      Date.now = real;
    }
  });
});

describe('a series of uuidv7', () => {
  it('is ordered by the microsecond, then by the series, then as it was made', () => {
    const micros = Date.now() * 1000;
    const series = [0, 1, 999, 1000, 1_000_000].map((later) => uuidv7Series(micros + later));
    const ids = series.map((next) => Array.from({ length: 5000 }, next));
    assert.deepEqual(ids.flat().toSorted(), ids.flat());
    const [a, b] = [uuidv7Series(micros), uuidv7Series(micros)];
    const mixed = Array.from({ length: 100 }, () => [a(), b()]);
    const sorted = mixed.flat().sort();
    assert.deepEqual(
      [sorted.slice(0, 100), sorted.slice(100)].sort(),
      [mixed.map(([x]) => x), mixed.map(([, y]) => y)].sort(),
    );
  });

  it('makes lower-case ids of version 7 and the RFC variant', () => {
    for (let n = 0; n < 1000; n++)
      assert.match(
        uuidv7Series(n * 12_345_678_901)(),
        /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
  });
});

describe('isUuid', () => {
  it('takes any version in any case', () => {
    for (const text of [
      uuidv7(),
      uuidv7().toUpperCase(),
      '00000000-0000-0000-0000-000000000000',
      'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ])
      assert.equal(isUuid(text), true, text);
  });

  it('refuses everything else', () => {
    const id = uuidv7();
    for (const text of [
      '',
      'x',
      `${id}0`,
      `{${id}}`,
      ` ${id}`,
      `${id}\n`,
      id.replaceAll('-', ''),
      id.replace('-', '_'),
    ])
      assert.equal(isUuid(text), false, text);
  });
});
