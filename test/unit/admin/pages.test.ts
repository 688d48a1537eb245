import assert from 'node:assert/strict';
import type { Find } from '../../../core/contracts/query.ts';
import type { TableReader } from '../../../core/contracts/store.ts';
import { defineTable, int64 } from '../../../core/contracts/tables.ts';
import { allRows } from '../../../plugins/admin/pages.ts';

const table = defineTable({ name: 'things', columns: { id: int64() }, primaryKey: ['id'] });
const MIB = 1024 * 1024;

/** How many rows each page asks for, of a table of which each row takes so many bytes. */
async function limitsFor(count: number, bytesOf: (id: number) => number): Promise<number[]> {
  const limits: number[] = [];
  const reader: Pick<TableReader<typeof table>, 'find'> = {
    async find({ limit = 0, after = '0' }: Find = {}) {
      limits.push(limit);
      const first = Number(after);
      const rows = Array.from({ length: Math.min(limit, count - first) }, (_, i) => ({ id: first + i, version: 1 }));
      const next = first + rows.length;
      return next < count ? { rows, next: `${next}` } : { rows };
    },
  };
  let last = 0;
  let seen = 0;
  for await (const { id } of allRows(reader, () => bytesOf(last))) {
    assert.equal(id, seen++);
    last = id;
  }
  assert.equal(seen, count);
  return limits;
}

describe('the pages of an export', () => {
  it('grow to 128 rows where rows are small', async () => {
    const limits = await limitsFor(10_000, () => 100);
    assert.deepEqual(limits.slice(0, 6), [10, 20, 40, 80, 128, 128]);
    assert.ok(limits.every((limit) => limit <= 128));
  });

  it('hold about a MiB where rows are large, and one row where one is larger', async () => {
    assert.ok(Math.max(...(await limitsFor(2_000, () => 20_000))) <= MIB / 20_000);
    const limits = await limitsFor(100, () => 2 * MIB);
    assert.deepEqual(new Set(limits.slice(1)), new Set([1]));
  });

  it('are as long again where large rows are behind them', async () => {
    const limits = await limitsFor(5_000, (id) => (id < 50 ? MIB : 100));
    assert.equal(Math.max(...limits), 128);
  });
});
