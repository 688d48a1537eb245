import { z } from 'zod';

export const settings = z.strictObject({
  /** The file; its folder is made. Beside it stand <path>-wal, <path>-shm and <path>.lock. */
  path: z.string().min(1).default('data/tracker.db'),
  /** When a commit is on the disk: at once ('full'), or soon after ('normal'; see the README for what that risks). */
  synchronous: z.enum(['normal', 'full']).default('normal'),
  /** Snapshots that are open at the same time, at most; who wants another waits. */
  readers: z.int().min(1).max(64).default(8),
});

export type SqliteSettings = z.infer<typeof settings>;
export type Durability = SqliteSettings['synchronous'];
