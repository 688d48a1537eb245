import assert from 'node:assert/strict';
import { Opening } from '../../../plugins/storage-sql/postgres/opening.ts';

describe('the opening of a database', () => {
  it('tries until it succeeds, and tells each new reason once', async () => {
    const outcomes = ['no server', 'no server', 'no database', 'no server', undefined];
    const told: string[] = [];
    const opened = Promise.withResolvers<void>();
    const opening = new Opening({
      async attempt() {
        const outcome = outcomes.shift();
        if (outcome !== undefined) throw new Error(outcome);
        opened.resolve();
      },
      explain: (error) => (error as Error).message,
      failed: (reason) => told.push(reason),
    });
    assert.equal(typeof opening.reason, 'string');
    opening.begin();
    await opening.firstTry(1_000, new AbortController().signal);
    assert.equal(opening.reason, 'no server');
    await opened.promise;
    await opening.giveUp();
    assert.deepEqual(told, ['no server', 'no database', 'no server']);
    assert.equal(opening.reason, undefined);
  });

  it('gives up what is under way, and says nothing more', async () => {
    const told: string[] = [];
    const opening = new Opening({
      attempt: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      explain: String,
      failed: (reason) => told.push(reason),
    });
    opening.begin();
    await opening.giveUp();
    await opening.firstTry(1_000, new AbortController().signal);
    assert.deepEqual(told, []);
  });

  it('lets go of who waits for the first try after its time, and when it is called off', async () => {
    const opening = new Opening({
      attempt: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      explain: String,
      failed: () => {},
    });
    opening.begin();
    await opening.firstTry(1, new AbortController().signal);
    await opening.firstTry(60_000, AbortSignal.abort());
    await opening.giveUp();
  });
});
