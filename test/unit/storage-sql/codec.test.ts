import assert from 'node:assert/strict';
import { bool, defineTable, float, int64, json, text, timestamp, uuid } from '../../../core/contracts/tables.ts';
import { decodeRow, encode, selectList } from '../../../plugins/storage-sql/query/codec.ts';

const table = defineTable({
  name: 'things',
  columns: {
    id: uuid(),
    name: text(),
    count: int64(),
    score: float(),
    done: bool(),
    meta: json({ nullable: true }),
    at: timestamp({ nullable: true }),
  },
  primaryKey: ['id'],
});

const row = Object.freeze({
  id: '00000000-0000-7000-8000-000000000001',
  name: 'é',
  count: Number.MAX_SAFE_INTEGER,
  score: 0.5,
  done: true,
  meta: { b: [1, { c: null }], a: 'x' },
  at: null,
  version: 3,
});

describe('the codec of SQL values', () => {
  it('reads what the drivers give: int64 as a number, as text or as a bigint, and truth as 1 or true', () => {
    const meta = JSON.stringify(row.meta);
    const most = String(Number.MAX_SAFE_INTEGER);
    for (const given of [
      { ...row, meta, done: true, count: most, version: '3' },
      { ...row, meta, done: 1n, count: BigInt(most), version: 3n },
      { ...row, meta, done: 1 },
    ])
      assert.deepEqual(decodeRow(table, given), row);
    assert.equal(decodeRow(table, { ...row, meta, done: 0n })['done'], false);
  });

  it('gives rows that are frozen to the bottom, their columns in the declared order', () => {
    const read = decodeRow(table, { ...row, meta: JSON.stringify(row.meta) });
    assert.deepEqual(Object.keys(read), Object.keys(row));
    assert.ok(Object.isFrozen(read));
    assert.ok(Object.isFrozen((read['meta'] as { b: object[] }).b[1]));
  });

  it('keeps a json column that holds text, a number or null apart from none', () => {
    const read = (meta: unknown) => decodeRow(table, { ...row, meta })['meta'];
    assert.equal(read('"3"'), '3');
    assert.equal(read('3'), 3);
    assert.equal(read(null), null);
  });

  it('writes what the drivers take', () => {
    const { meta, done } = table.columns;
    assert.equal(encode('postgres', meta, 'x'), '"x"');
    assert.equal(encode('sqlite', meta, null), null);
    assert.equal(encode('postgres', done, false), false);
    assert.equal(encode('sqlite', done, false), 0);
  });

  it('selects json as text, and nothing of the store’s own', () => {
    assert.equal(
      selectList('postgres', table),
      '"id", "name", "count", "score", "done", "meta"::text AS "meta", "at", "version"',
    );
    assert.equal(selectList('sqlite', table), '"id", "name", "count", "score", "done", "meta", "at", "version"');
  });
});
