/**
 * `npm test` and `npm run test:integration`: mocha once for each store that there is, some at a time, their output one
 * after the other. TEST_STORES=memdb,sqlite tests those alone. Exits with 1 when one of them fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { whyNoPostgres } from './support/services/postgres.ts';
import { chosenStores, STORES, type StoreName } from './support/stores.ts';

interface Run {
  readonly title: string;
  readonly store: StoreName;
  readonly files: readonly string[];
}

const UNIT = ['test/*.test.ts', 'test/{kernel,unit,conformance}/**/*.test.ts'];
const E2E = ['test/e2e/**/*.test.ts'];
/** In milliseconds. */
const LONGEST_RUN = 20 * 60_000;
/** In milliseconds, after mocha has said how many tests passed. */
const LONGEST_END = 30_000;
const SUMMARY = /^ *\d+ passing/m;
const AT_ONCE = Math.min(2, availableParallelism());

const only = process.argv[2];
const stores = (chosenStores() ?? STORES).filter((store) => {
  const missing = store === 'postgres' ? whyNoPostgres() : undefined;
  if (missing === undefined || process.env['REQUIRE_SERVICES']) return true;
  console.log(`SKIPPED: nothing is tested on PostgreSQL (${missing})`);
  return false;
});
const runs: Run[] = [
  ...(only === 'integration' ? [] : [{ title: 'parts', store: 'memdb' as const, files: UNIT }]),
  ...stores.map((store) => ({ title: `the whole on ${store}`, store, files: E2E })),
];

const mocha = join(import.meta.dirname, '../node_modules/mocha/bin/mocha.js');
const children = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const child of children) child.kill(signal);
  });

/** Its exit code, and what it printed. */
async function start({ store, files }: Run, print: (text: string) => void): Promise<number> {
  const child = spawn(process.execPath, [mocha, ...files], {
    env: { ...process.env, TEST_STORES: store, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LONGEST_RUN,
  });
  children.add(child);
  // Something that a test left open keeps mocha from ending: that is a failure.
  let patience: NodeJS.Timeout | undefined;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      print(text);
      if (SUMMARY.test(text)) patience ??= setTimeout(() => child.kill(), LONGEST_END);
    });
  const [code, signal] = await once(child, 'close');
  children.delete(child);
  clearTimeout(patience);
  if (signal) print(`\n${store}: mocha was ended by ${signal}: it did not end by itself\n`);
  return code ?? 1;
}

/** What a run prints waits until those before it have ended. */
class Output {
  #shown = 0;
  readonly #held: string[][] = runs.map(() => []);
  readonly #ended = runs.map(() => false);

  print(index: number, text: string): void {
    if (index === this.#shown) process.stdout.write(text);
    else this.#held[index]!.push(text);
  }

  end(index: number): void {
    this.#ended[index] = true;
    while (this.#ended[this.#shown]) {
      this.#shown += 1;
      process.stdout.write((this.#held[this.#shown] ?? []).splice(0).join(''));
    }
  }
}

const output = new Output();
const waiting = [...runs.entries()];
let failed = false;
async function work(): Promise<void> {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [index, run] = next;
    output.print(index, `\n--- ${run.title}\n`);
    if ((await start(run, (text) => output.print(index, text))) !== 0) failed = true;
    output.end(index);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
process.exitCode = failed ? 1 : 0;
