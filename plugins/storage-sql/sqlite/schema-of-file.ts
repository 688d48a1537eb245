import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SchemaMigrations } from '../../../core/contracts/migrations.ts';
import type { Database } from '../database.ts';
import { migratorOf } from '../schema/migrator.ts';
import type { PrepareOptions } from '../schema/prepare.ts';
import { SqliteDatabase } from './database.ts';
import type { SqliteSettings } from './settings.ts';

/** The schema of a file. Looking at it does not make the file; where there is none, an empty one elsewhere is looked at. */
export function schemaOfFile(
  settings: SqliteSettings,
  transact: (database: Database) => PrepareOptions['transact'],
): SchemaMigrations {
  const schemaAt = (path: string) => migratorOf(() => SqliteDatabase.open({ ...settings, path }), transact);
  const schema = schemaAt(settings.path);
  return {
    async plan(declared, signal) {
      if (existsSync(settings.path)) return schema.plan(declared, signal);
      const folder = mkdtempSync(join(tmpdir(), 'tracker-plan-'));
      try {
        const plan = await schemaAt(join(folder, 'empty.db')).plan(declared, signal);
        return { ...plan, absent: `there is no file '${resolve(settings.path)}': apply makes it` };
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
    apply: schema.apply,
    done: async (signal) => (existsSync(settings.path) ? schema.done(signal) : []),
  };
}
