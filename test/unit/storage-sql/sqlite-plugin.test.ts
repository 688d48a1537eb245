import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineTable, text, uuid } from '../../../core/contracts/tables.ts';
import plugin from '../../../plugins/storage-sql/sqlite/plugin.ts';
import { setUp } from '../plugin-context.ts';

const things = defineTable({ name: 'things', columns: { id: uuid(), name: text() }, primaryKey: ['id'] });
const collected = { tables: [{ plugin: 'things', value: things }], migrations: [] };

describe('storage-sqlite', () => {
  it('says which file it has opened, and what it has changed in it', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'tracker-sqlite-')));
    const path = join(folder, 'tracker.db');
    for (const changes of [['create table tracker$meta', 'create table things'], []]) {
      const { instance, log, release } = await setUp(plugin, { config: { path } });
      await instance.start(collected, new AbortController().signal);
      assert.deepEqual(log.lines, [{ level: 'info', fields: { path, changes }, message: 'SQLite is open' }]);
      await release();
    }
    rmSync(folder, { recursive: true });
  });
});
