/**
 * `npm run torture`: what takes too long for the test suite. Prints its seed and figures; exits with 1 when something
 * does not hold. TEST_SEED repeats a run, TORTURE_CASES changes its length.
 */
import { startServer } from '../support/server-process.ts';
import { testSeed } from '../support/workload.ts';
import { faults } from './faults/run.ts';
import { type Answers, fuzz } from './fuzz.ts';
import { Pool } from './generate.ts';
import { streams } from './streams/run.ts';

const seed = testSeed();
const cases = Number(process.env['TORTURE_CASES'] ?? 200_000);
/** In MiB: what the server may have grown by, over all of the requests that change nothing. */
const GROWTH = 64;

const print = (text: string) => process.stdout.write(`${text}\n`);
const table = (answers: Answers) =>
  [...answers]
    .sort()
    .map(([answer, count]) => `  ${answer.padEnd(28)}${count}`)
    .join('\n');

print(`faults: TEST_SEED=${seed}`);
const problems = [...(await faults(seed, print))];
print(`streams: TEST_SEED=${seed}`);
problems.push(...(await streams(seed, print)));
print(`fuzz: TEST_SEED=${seed} TORTURE_CASES=${cases}`);
const server = await startServer({ SEED_USER_COUNT: '20', SEED_PROJECT_COUNT: '5', SEED_RELATIONSHIPS: 'true' });
try {
  const pool = new Pool();
  let since = performance.now();
  const rate = (count: number) => `${Math.round((count / (performance.now() - since)) * 1000)}/s`;

  const changing = Math.floor(cases / 2);
  print(
    `${changing} requests of every method\n${table(await fuzz(server, { seed: `${seed}/all`, cases: changing, pool }))}`,
  );
  print(`  ${rate(changing)}, server at ${server.memory()} MiB`);

  since = performance.now();
  const reading = cases - changing;
  const first = Math.floor(reading / 5);
  const warm = await fuzz(server, { seed: `${seed}/warm`, cases: first, onlyRead: true, pool });
  const before = server.memory();
  const rest = await fuzz(server, { seed: `${seed}/read`, cases: reading - first, onlyRead: true, pool });
  const grown = server.memory() - before;
  print(`${reading} requests that change nothing\n${table(rest)}`);
  print(`  ${rate(reading)}, server at ${before} MiB after ${first} of them, and ${grown} MiB more at the end`);
  if (grown > GROWTH) problems.push(`the server grew by ${grown} MiB over requests that change nothing`);
  if (warm.size === 0) problems.push('nothing was answered');
  for (const line of server.complaints.slice(0, 10)) problems.push(`the server complained: ${line}`);
} catch (error) {
  problems.push((error as Error).message);
} finally {
  await server.stop();
}
for (const problem of problems) print(`FAILED ${problem}`);
print(problems.length === 0 ? 'held' : `TEST_SEED=${seed}`);
process.exit(problems.length === 0 ? 0 : 1);
