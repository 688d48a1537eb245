import assert from 'node:assert/strict';
import { gate, refuses, type StoreSuite, times } from './fixtures.ts';

export const leases: StoreSuite = {
  async 'gives a name to one holder at a time'({ store }) {
    let holders = 0;
    let runs = 0;
    await Promise.all(
      times(6, () =>
        store.lease('name', async () => {
          assert.equal(++holders, 1);
          await new Promise(setImmediate);
          holders--;
          runs++;
        }),
      ),
    );
    assert.equal(runs, 6);
  },

  async 'hands on what the holder returns or throws, and gives the name up'({ store }) {
    assert.equal(await store.lease('name', async () => 7), 7);
    await assert.rejects(
      store.lease('name', async () => {
        throw new Error('failed');
      }),
      /failed/,
    );
    assert.equal(await store.lease('name', async () => 8, { wait: false }), 8);
  },

  async 'does not wait for a held name where it should not'({ store }) {
    const held = gate();
    const release = gate();
    const holder = store.lease('name', async () => {
      held.open();
      await release.opened;
    });
    await held.opened;
    const never = async () => assert.fail('it ran');
    assert.equal(await store.lease('name', never, { wait: false }), undefined);
    assert.equal(await store.lease('other', async () => 'ran', { wait: false }), 'ran', 'names are independent');
    release.open();
    await holder;
  },

  async 'ends the wait when the signal is aborted'({ store }) {
    const held = gate();
    const release = gate();
    const holder = store.lease('name', async () => {
      held.open();
      await release.opened;
    });
    await held.opened;
    const controller = new AbortController();
    const waiting = store.lease('name', async () => assert.fail('it ran'), { signal: controller.signal });
    controller.abort();
    await refuses(waiting, 'unavailable');
    release.open();
    await holder;
    assert.equal(await store.lease('name', async () => 'ran'), 'ran');
    await refuses(
      store.lease('name', async () => assert.fail('it ran'), { signal: controller.signal }),
      'unavailable',
    );
  },

  async "aborts the holder's signal with the caller's"({ store }) {
    const controller = new AbortController();
    await store.lease(
      'name',
      async (signal) => {
        assert.equal(signal.aborted, false);
        const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
        controller.abort();
        await aborted;
      },
      { signal: controller.signal },
    );
  },
};
