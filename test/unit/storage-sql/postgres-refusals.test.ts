import assert from 'node:assert/strict';
import { DatabaseError } from '../../../plugins/storage-sql/database.ts';
import { Refusals } from '../../../plugins/storage-sql/postgres/refusals.ts';
import { recordingLogger } from '../plugin-context.ts';

describe('what PostgreSQL refuses', () => {
  it('is one line a minute for each reason, however many calls meet it', () => {
    const log = recordingLogger();
    let now = 0;
    const refusals = new Refusals(log, () => now);
    const meet = (table: string) => {
      const cause = new Error(`permission denied for table ${table}`);
      refusals.say(new DatabaseError('denied', 'PostgreSQL answered 42501', { cause }));
      return log.lines.length;
    };
    assert.deepEqual(['issues', 'users', 'issues', 'users', 'issues'].map(meet), [1, 2, 2, 2, 2]);
    now = 59_999;
    assert.equal(meet('issues'), 2);
    now = 60_000;
    assert.deepEqual(['issues', 'issues'].map(meet), [3, 3]);
    assert.ok(log.lines.every(({ level }) => level === 'error'));
  });
});
