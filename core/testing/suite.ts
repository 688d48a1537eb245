import assert from 'node:assert/strict';

/** What a conformance suite needs of a test runner: mocha's, or node:test's. */
export interface TestRunner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly it: (title: string, test: () => Promise<void>) => unknown;
}

/** Why an implementation does not pass a test, by the test's title. */
export type Exclusions = Readonly<Record<string, string>>;

/** Tests by their titles; each gets what was opened for it alone. */
export type Suite<Subject> = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

/**
 * Defines a test for each of the suite. An excluded test runs as well, and fails when it passes: then its exclusion
 * is out of date.
 */
export function defineSuite<Subject>(
  runner: TestRunner,
  title: string,
  suite: Suite<Subject>,
  withSubject: (test: (subject: Subject) => Promise<void>) => Promise<void>,
  exclude: Exclusions = {},
): void {
  for (const name of Object.keys(exclude))
    if (!Object.hasOwn(suite, name)) throw new TypeError(`there is no test '${name}' to exclude`);
  runner.describe(title, () => {
    for (const [name, test] of Object.entries(suite)) {
      const reason = exclude[name];
      if (reason === undefined) runner.it(name, () => withSubject(test));
      else
        runner.it(`${name} (excluded: ${reason})`, async () => {
          await assert.rejects(() => withSubject(test), 'it passes: remove the exclusion');
        });
    }
  });
}
