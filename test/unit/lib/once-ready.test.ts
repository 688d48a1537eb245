import assert from 'node:assert/strict';
import { type Store, StoreError } from '../../../core/contracts/store.ts';
import { onceReady } from '../../../core/lib/once-ready.ts';
import { recordingLogger } from '../plugin-context.ts';

const away = () => new StoreError('unavailable', 'away');

/** A store of which only this is asked: whether it is there. */
function storeThat(isHere: () => boolean, ready: () => Promise<void>): Store {
  return {
    get id() {
      if (!isHere()) throw away();
      return 'an id';
    },
    ready,
  } as unknown as Store;
}

const here = storeThat(
  () => true,
  async () => {},
);

describe('work that waits for the store', () => {
  const run = (store: Store, work: (signal: AbortSignal) => Promise<void>, more: { start?: AbortSignal } = {}) => {
    const log = recordingLogger();
    const ended = new AbortController();
    return { log, ended, begun: onceReady(store, work, { what: 'it', signal: ended.signal, log, ...more }) };
  };

  it('is done within the start where the store serves, and fails it', async () => {
    let done = false;
    await run(here, async () => {
      await new Promise(setImmediate);
      done = true;
    }).begun;
    assert.ok(done);
    await assert.rejects(
      run(here, async () => {
        throw new Error('a mistake');
      }).begun,
      /a mistake/,
    );
  });

  it('fails a start that was called off', async () => {
    const start = new AbortController();
    const { begun } = run(
      here,
      async () => {
        start.abort();
        throw away();
      },
      { start: start.signal },
    );
    await assert.rejects(begun, /away/);
  });

  it('is done later where it does not, and an error is logged', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = storeThat(
      () => false,
      () => promise,
    );
    let done = 0;
    const { log, begun } = run(late, async () => {
      done += 1;
      throw new Error('a mistake');
    });
    const after = await begun;
    assert.equal(done, 0);
    resolve();
    await after.done;
    assert.equal(done, 1);
    assert.deepEqual(log.lines.at(-1)?.message, 'it failed');
  });

  it('begins again where the store goes away in the middle', async () => {
    let times = 0;
    const { begun } = run(here, async () => {
      times += 1;
      if (times < 2) throw away();
    });
    await (await begun).done;
    assert.equal(times, 2);
  });

  it('says once why it waits, however often it begins in vain, and again for another reason', async () => {
    let times = 0;
    const { log, begun } = run(here, async () => {
      times += 1;
      if (times < 4) throw new StoreError('unavailable', times < 3 ? 'the disk is full' : 'away');
    });
    await (await begun).done;
    assert.deepEqual(
      log.lines.map(({ fields }) => (fields as { err: Error }).err.message),
      ['the disk is full', 'away'],
    );
  }).timeout(10_000);

  it('ends with its signal', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const { ended, begun } = run(
      storeThat(
        () => false,
        () => promise,
      ),
      async () => assert.fail('it is over'),
    );
    const { done } = await begun;
    ended.abort();
    reject(away());
    await done;
  });
});
