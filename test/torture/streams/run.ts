import { findPostgres } from '../../support/services/postgres.ts';
import { killInstances } from './killed.ts';
import { stopUnderLoad } from './stopped.ts';
import { stickStreams } from './stuck.ts';

/** The faults of streams of updates, with their full counts. Prints figures; returns what did not hold. */
export async function streams(seed: string, print: (text: string) => void): Promise<readonly string[]> {
  const problems: string[] = [];
  const run = async (name: string, fault: () => Promise<string>) => {
    try {
      print(`  ${await fault()}`);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).stack}`);
    }
  };
  await run('streams that take nothing', () => stickStreams({ each: 100, waiting: 10_000, growth: 400 }));
  if (!(await findPostgres())) return [...problems, 'there is no PostgreSQL: streams of two instances were not tried'];
  await run('SIGTERM', () => stopUnderLoad({ seed, streams: 200 }));
  await run('killed instances', () => killInstances({ seed, kills: 10, every: 8_000 }));
  return problems;
}
