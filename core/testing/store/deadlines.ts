import assert from 'node:assert/strict';
import {
  type ReadTransaction,
  Restart,
  type TransactionOptions,
  type WriteTransaction,
} from '../../contracts/store.ts';
import { gate, insertItems, item, items, refuses, type StoreSuite } from './fixtures.ts';

/** Milliseconds for those that must have begun by then, on a busy machine and over a network. */
const TIME_TO_BEGIN = 500;

/** A transaction that writes a row, then hangs, and goes on after it was ended. */
function hanging() {
  const begun = gate();
  const goOn = gate();
  let late: Promise<unknown> = Promise.resolve();
  return {
    begun: begun.opened,
    async write(tx: WriteTransaction) {
      await tx.table(items).insert(item({ name: 'half' }));
      begun.open();
      await goOn.opened;
      late = tx.table(items).insert(item({ name: 'late' }));
      await late;
    },
    async read(tx: ReadTransaction) {
      await tx.table(items).count();
      begun.open();
      await goOn.opened;
      late = tx.table(items).count();
      await late;
    },
    /** Lets it go on, and asserts that what it then does is refused. */
    async isRefused() {
      goOn.open();
      await new Promise(setImmediate);
      await refuses(late, 'unavailable');
    },
  };
}

export const deadlines: StoreSuite = {
  async 'rolls back a write that takes too long, and refuses what it does afterwards'({ store }) {
    const hung = hanging();
    await refuses(store.write(hung.write, { timeoutMs: TIME_TO_BEGIN }), 'unavailable');
    await insertItems(store, [{ name: 'next' }]);
    await hung.isRefused();
    const { rows } = await store.read((tx) => tx.table(items).find());
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['next'],
    );
  },

  async 'stores nothing of a write that finishes after its deadline'({ store }) {
    const goOn = gate();
    const write = store.write(
      async (tx) => {
        await tx.table(items).insert(item());
        await goOn.opened;
      },
      { timeoutMs: 50 },
    );
    await refuses(write, 'unavailable');
    goOn.open();
    await new Promise(setImmediate);
    await insertItems(store, [{ name: 'next' }]);
    assert.equal(await store.read((tx) => tx.table(items).count()), 1);
  },

  async 'does not begin again after its deadline'({ store }) {
    const goOn = gate();
    let runs = 0;
    const write = store.write(
      async () => {
        runs++;
        await goOn.opened;
        throw new Restart();
      },
      { timeoutMs: TIME_TO_BEGIN },
    );
    await refuses(write, 'unavailable');
    goOn.open();
    await new Promise(setImmediate);
    await insertItems(store, [{ name: 'next' }]);
    assert.equal(runs, 1);
  },

  async 'counts every run of a write that begins again towards its deadline'({ store }) {
    let runs = 0;
    const write = store.write(
      async () => {
        if (++runs < 3) throw new Restart();
        await new Promise(() => {});
      },
      { timeoutMs: TIME_TO_BEGIN },
    );
    await refuses(write, 'unavailable');
    assert.equal(runs, 3);
  },

  async 'ends a write that is never idle at its deadline'({ store }) {
    const write = store.write(
      async (tx) => {
        // Far more than fit in the time; but an end, for one that lets no timer have its turn would never have one.
        for (let i = 0; i < 200_000; i++) await tx.table(items).insert(item());
      },
      { timeoutMs: 50 },
    );
    await refuses(write, 'unavailable');
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
  },

  async 'rolls back a write whose signal is aborted'({ store }) {
    const controller = new AbortController();
    const hung = hanging();
    const write = store.write(hung.write, { signal: controller.signal });
    await hung.begun;
    controller.abort();
    await refuses(write, 'unavailable');
    await hung.isRefused();
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
    await insertItems(store, [{}]);
  },

  async 'stores nothing of a write whose signal is aborted before it ends, however soon that is'({ store }) {
    const controller = new AbortController();
    const write = store.write(
      async (tx) => {
        await tx.table(items).insert(item());
        controller.abort();
      },
      { signal: controller.signal },
    );
    await refuses(write, 'unavailable');
    assert.equal(await store.read((tx) => tx.table(items).count()), 0);
    await insertItems(store, [{}]);
  },

  async 'ends a read that takes too long or whose signal is aborted'({ store }) {
    const slow = hanging();
    await refuses(store.read(slow.read, { timeoutMs: TIME_TO_BEGIN }), 'unavailable');
    await slow.isRefused();
    const controller = new AbortController();
    const aborted = hanging();
    const read = store.read(aborted.read, { signal: controller.signal });
    await aborted.begun;
    controller.abort();
    await refuses(read, 'unavailable');
    await aborted.isRefused();
  },

  async 'ends the wait for a lock at the deadline'({ store }) {
    const [row] = await insertItems(store, [{}]);
    const locked = gate();
    const release = gate();
    const holder = store.write(async (tx) => {
      await tx.table(items).lock(row!.id, 'update');
      locked.open();
      await release.opened;
    });
    await locked.opened;
    const change = (options: TransactionOptions) =>
      store.write((tx) => tx.table(items).update(row!.id, { rank: 9 }), options);
    await refuses(change({ timeoutMs: 50 }), 'unavailable');
    const controller = new AbortController();
    const waiting = change({ signal: controller.signal });
    controller.abort();
    await refuses(waiting, 'unavailable');
    release.open();
    await holder;
    assert.equal((await store.read((tx) => tx.table(items).get(row!.id)))?.rank, 0);
    assert.equal((await change({})).rank, 9);
  },

  async 'does not begin what was called off before'({ store }) {
    const signal = AbortSignal.abort();
    const never = async () => assert.fail('it ran');
    await refuses(store.write(never, { signal }), 'unavailable');
    await refuses(store.read(never, { signal }), 'unavailable');
  },

  async 'takes a very long deadline for what it is'({ store }) {
    assert.equal(await store.write(async () => 7, { timeoutMs: Number.POSITIVE_INFINITY }), 7);
    assert.equal(await store.read(async () => 8, { timeoutMs: 2 ** 40 }), 8);
  },
};
