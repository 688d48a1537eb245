import assert from 'node:assert/strict';
import { fixtureTables, gate, insertItems, items, refuses, type StoreSuite } from './fixtures.ts';

export const lifecycle: StoreSuite = {
  async 'is ready, empty and named when it is open'({ store }) {
    assert.ok(store.id.length > 0 && store.kind.length > 0);
    assert.equal(typeof store.shared, 'boolean');
    const names = fixtureTables.map(({ name }) => name).sort();
    assert.deepEqual(
      store.tables.map(({ name }) => name),
      names,
    );
    await store.ready();
    await refuses(store.ready(AbortSignal.abort()), 'unavailable');
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
    await insertItems(store, [{}]);
  },

  async 'says unavailable after it was closed'({ store, close }) {
    await insertItems(store, [{}]);
    await close();
    await refuses(
      store.read((tx) => tx.table(items).count()),
      'unavailable',
    );
    await refuses(insertItems(store, [{}]), 'unavailable');
    await refuses(store.ready(), 'unavailable');
    await refuses(
      store.lease('name', async () => 1),
      'unavailable',
    );
  },

  async "aborts a lease's signal when it is closed"({ store, close }) {
    const held = gate();
    const lost = store.lease('name', async (signal) => {
      held.open();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return 'lost';
    });
    await held.opened;
    await close();
    assert.equal(await lost, 'lost');
  },
};
