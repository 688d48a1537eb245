import { findPostgres, startPostgres } from '../../support/services/postgres.ts';
import { cutAtCommit } from './commit-cut.ts';
import { exhaustPool } from './exhausted-pool.ts';
import { killServer } from './killed.ts';
import { loseConnections } from './lost-connections.ts';

/** In milliseconds: how long the event loop may stand still on an exhausted pool. */
const BLOCKED_MS = 50;

/** The faults of a database, with their full counts. Prints figures; returns what did not hold. */
export async function faults(seed: string, print: (text: string) => void): Promise<readonly string[]> {
  const problems: string[] = [];
  const run = async (name: string, fault: () => Promise<string>) => {
    try {
      print(`  ${await fault()}`);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).stack}`);
    }
  };
  await run('SQLite, killed', () => killServer('sqlite', { seed, kills: 30 }));
  const [shared, own] = [await findPostgres(), await startPostgres()];
  if (!shared || !own) return [...problems, 'there is no PostgreSQL: its faults were not tried'];
  await run('PostgreSQL, killed', () => killServer('postgres', { seed, kills: 30 }));
  await run('lost connections', () => loseConnections(own, { seed, kills: 50 }));
  await run('cut at COMMIT', async () => cutAtCommit(await own.createDatabase(), { seed, cuts: 100 }));
  await run('exhausted pool', async () => {
    await exhaustPool(own, { calls: 100 });
    const { blockedMs, text } = await exhaustPool(own, { calls: 100 });
    if (blockedMs > BLOCKED_MS) problems.push(`the event loop stood still for ${blockedMs} ms on an exhausted pool`);
    return text;
  });
  await own.close();
  return problems;
}
