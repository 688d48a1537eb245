import { z } from 'zod';
import { schemaSettings } from '../schema/at-start.ts';

const fileSettings = z.strictObject({
  /** The file; its folder is made. Beside it stand <path>-wal, <path>-shm and <path>.lock. */
  path: z
    .string()
    .min(1)
    // Elsewhere this is a database in memory; here it would be a file of that name.
    .refine((path) => path !== ':memory:', { error: 'is the path of a file; DB_TYPE=memdb keeps data in memory' })
    .default('data/tracker.db'),
  /** When a commit is on the disk: 'full' is at once, 'normal' soon after; docs/guides/databases.md says what that risks. */
  synchronous: z.enum(['normal', 'full']).default('normal'),
  /** Snapshots that are open at the same time, at most; who wants another waits. */
  readers: z.int().min(1).max(64).default(8),
});

export const settings = fileSettings.extend(schemaSettings);

export type SqliteSettings = z.infer<typeof fileSettings>;
export type Durability = SqliteSettings['synchronous'];
