import assert from 'node:assert/strict';
import { type AnyTable, defineTable, int64, text } from '../../../core/contracts/tables.ts';
import { newRow, type StoredRow, updatedRow } from '../../../core/lib/rows.ts';
import { changeStatements } from '../../../plugins/storage-sql/store/change-statements.ts';
import { WriteBuffer } from '../../../plugins/storage-sql/store/write-buffer.ts';

const table: AnyTable = defineTable({
  name: 'things',
  columns: { id: int64(), code: text({ nullable: true }), rank: int64() },
  primaryKey: ['id'],
  unique: { thing_code: ['code'] },
});
const row = (id: number, code: string | null, rank = 0): StoredRow => newRow(table, { id, code, rank });
const changed = (before: StoredRow, patch: object): StoredRow => updatedRow(table, before, patch as never);
/** What is sent: the row before and after, by its code. */
const taken = (buffer: WriteBuffer) =>
  buffer.take().flatMap(({ changes }) => changes.map(({ before, after }) => [before?.['code'], after?.['code']]));
const isTaken = (key: string) => (error: unknown) =>
  (error as { kind: string; key: string }).kind === 'already_exists' && (error as { key: string }).key === key;

describe('storage-sql: the buffer of writes', () => {
  it('sends the last state of each row once, in the order in which they were changed first', () => {
    const buffer = new WriteBuffer();
    const known = row(1, 'a');
    buffer.learn(table, 1, known, 'update');
    buffer.put(table, 2, row(2, 'b'));
    buffer.put(table, 1, changed(known, { rank: 1 }));
    buffer.put(table, 2, changed(row(2, 'b'), { code: 'c' }));
    buffer.put(table, 3, row(3, 'd'));
    assert.deepEqual([buffer.size, buffer.hasPending(table)], [3, true]);
    assert.deepEqual(taken(buffer), [
      [undefined, 'c'],
      ['a', 'a'],
      [undefined, 'd'],
    ]);
    assert.deepEqual([buffer.size, buffer.hasPending(table), taken(buffer)], [0, false, []]);
  });

  it('sends nothing of a row that came and went', () => {
    const buffer = new WriteBuffer();
    buffer.put(table, 1, row(1, 'a'));
    buffer.put(table, 1, undefined);
    assert.deepEqual(taken(buffer), []);
    assert.equal(buffer.known(table, 1)?.row, undefined);
    assert.ok(buffer.put(table, 2, row(2, 'a')), 'its key is free');
  });

  it('makes one change of a row that went and came again', () => {
    const buffer = new WriteBuffer();
    buffer.learn(table, 1, row(1, 'a'), 'update');
    buffer.put(table, 1, undefined);
    buffer.put(table, 1, row(1, 'b'));
    assert.deepEqual(taken(buffer), [['a', 'b']]);
  });

  it('wants what is pending to be sent before a key is taken that it gives up', () => {
    const buffer = new WriteBuffer();
    const [a, b] = [row(1, 'a'), row(2, 'b')];
    buffer.learn(table, 1, a, 'update');
    buffer.learn(table, 2, b, 'update');
    assert.ok(buffer.put(table, 1, changed(a, { code: null })));
    assert.equal(buffer.put(table, 2, changed(b, { code: 'a' })), false);
    assert.deepEqual(taken(buffer), [['a', null]]);
    assert.ok(buffer.put(table, 2, changed(b, { code: 'a' })));
    assert.deepEqual(taken(buffer), [['b', 'a']]);
  });

  it('lets a row have back the key that it gave up itself', () => {
    const buffer = new WriteBuffer();
    const a = row(1, 'a');
    buffer.learn(table, 1, a, 'update');
    assert.ok(buffer.put(table, 1, changed(a, { code: 'b' })));
    assert.ok(buffer.put(table, 1, changed(a, { code: 'a' })));
    assert.ok(buffer.put(table, 2, row(2, 'b')), 'the key in between is free');
    assert.throws(() => buffer.put(table, 3, row(3, 'b')), isTaken('thing_code'));
  });

  it('refuses a key that was taken while another row had it, also when that row gives it up later', () => {
    const buffer = new WriteBuffer();
    const a = row(1, 'a');
    buffer.learn(table, 1, a, 'update');
    assert.ok(buffer.put(table, 2, row(2, 'a')), 'whether it is taken is for the database to say');
    assert.throws(() => buffer.put(table, 1, undefined), isTaken('thing_code'));
    assert.throws(() => buffer.put(table, 1, changed(a, { code: 'b' })), isTaken('thing_code'));
  });

  it('holds rows with null in a key against nobody', () => {
    const buffer = new WriteBuffer();
    for (const id of [1, 2]) assert.ok(buffer.put(table, id, row(id, null)));
    assert.equal(buffer.size, 2);
  });

  it('keeps what it knows of a locked row over a lock that was asked for earlier', () => {
    const buffer = new WriteBuffer();
    const a = row(1, 'a');
    buffer.learn(table, 1, a, 'share');
    buffer.put(table, 1, changed(a, { rank: 7 }));
    assert.equal(buffer.learn(table, 1, a, 'update').row?.['rank'], 7);
    assert.equal(buffer.known(table, 1)?.mode, 'update');
  });
});

describe('storage-sql: the statements of writes', () => {
  const statements = (put: (buffer: WriteBuffer) => void) => {
    const buffer = new WriteBuffer();
    put(buffer);
    return changeStatements('postgres', buffer.take());
  };

  it('are one in PostgreSQL, of the same text for any number of rows', () => {
    const inserts = (count: number) =>
      statements((buffer) => {
        buffer.learn(table, 0, row(0, 'a'), 'update');
        buffer.put(table, 0, undefined);
        for (let id = 1; id <= count; id++) buffer.put(table, id, row(id, `c${id}`));
      });
    const [two, many] = [inserts(2), inserts(50)];
    assert.deepEqual([two.length, many.length], [1, 1]);
    assert.equal(two[0]!.sql, many[0]!.sql);
    assert.equal(JSON.parse(many[0]!.parameters[1] as string).length, 50);
    const [one] = inserts(1);
    assert.deepEqual(one!.parameters, [0, 1, 'c1', 0, 1]);
  });

  it('are not those of another table of the same name', () => {
    const other: AnyTable = defineTable({ name: 'things', columns: { id: int64() }, primaryKey: ['id'] });
    const [one] = statements((buffer) => buffer.put(table, 1, row(1, 'a')));
    const [two] = statements((buffer) => buffer.put(other, 1, newRow(other, { id: 1 })));
    assert.notEqual(one!.sql, two!.sql);
  });

  it('write only the columns that differ', () => {
    const [update] = statements((buffer) => {
      const a = row(1, 'a');
      buffer.learn(table, 1, a, 'update');
      buffer.put(table, 1, changed(a, { rank: 3, code: 'a' }));
    });
    assert.equal(update!.sql, 'UPDATE "things" SET "rank" = $1, "version" = $2 WHERE "id" = $3');
    assert.deepEqual(update!.parameters, [3, 2, 1]);
    const nothing = statements((buffer) => {
      buffer.learn(table, 1, row(1, 'a'), 'update');
      buffer.put(table, 1, row(1, 'a'));
    });
    assert.deepEqual(nothing, []);
  });
});
