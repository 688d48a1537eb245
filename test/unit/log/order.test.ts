import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { changesTable } from '../../../core/contracts/log.ts';
import { type Find, isNull } from '../../../core/contracts/query.ts';
import { isStoreError, type Store, StoreError, type WriteTransaction } from '../../../core/contracts/store.ts';
import type { AnyTable } from '../../../core/contracts/tables.ts';
import { Orderer } from '../../../plugins/log/orderer.ts';
import { StreamTransport } from '../../../plugins/transport-stream/stream-transport.ts';
import { SharedStore } from '../../support/shared-store.ts';
import { recordingLogger } from '../plugin-context.ts';
import { check, commit, micros, namesOf, openStore, randomOf, recorder, startLog } from './support.ts';

/** The same, but for one method. */
const instead = <T extends object>(target: T, name: keyof T, method: unknown): T =>
  new Proxy(target, {
    get(_, key) {
      if (key === name) return method;
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

describe('the order of a log that several instances write', () => {
  it('is that of the commits in every scope, whoever makes it, and whoever loses its lease in the middle', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`      seed ${seed}`);
    const random = randomOf(seed);
    const { store, ids, close } = await openStore(6);
    const shared = new SharedStore(store);
    const transport = new StreamTransport(recordingLogger());
    // Clocks that are 2 seconds apart: times do not follow the commits of different scopes, ids do not follow the seq.
    const instances = [shared.instance(micros(0)), shared.instance(micros(2_000_000)), shared.instance(micros(-1500))];
    const logs = await Promise.all(instances.slice(0, 2).map((each) => startLog(each, { pollMs: 10 }, transport)));
    const heard = logs.map(({ log }) => {
      const record = recorder();
      log.follow(record.listener);
      return record;
    });
    const committed = new Set<string>();
    let running = 16;
    let lost = 0;
    const write = async (writer: number) => {
      for (let n = 0; n < 30 || lost < 8; n++) {
        const chosen = ids.filter(() => random(3) === 0);
        const names = namesOf(`${writer}-${n}`, 1 + random(4));
        const fail = random(5) === 0;
        const done = commit(instances[random(3)]!, chosen.length > 0 ? chosen : [ids[0]!], names, { fail });
        if (fail) await assert.rejects(done, /rolled back/);
        else {
          await done;
          for (const name of names) committed.add(name);
        }
        for (let turns = random(3); turns > 0; turns--) await setImmediate();
      }
      running -= 1;
    };
    const lose = async () => {
      while (running > 0) {
        for (let turns = random(10); turns > 0; turns--) await setImmediate();
        const tell = shared.lose('log.order');
        if (tell) lost += 1;
        for (let turns = random(10); turns > 0; turns--) await setImmediate();
        tell?.();
      }
    };
    await Promise.all([lose(), ...Array.from({ length: running }, (_, writer) => write(writer))]);
    await Promise.all(heard.map((each) => each.until(committed.size)));
    for (const { batches } of heard) check(batches, committed);
    for (const { stop } of logs) await stop();
    await close();
  });

  it('catches up with what was committed while nobody made it, a very large transaction among it', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`      seed ${seed}`);
    const random = randomOf(seed);
    const { store, ids, close } = await openStore(4);
    const shared = new SharedStore(store);
    const instances = [0, 700_000, -900_000].map((skew) => shared.instance(micros(skew)));
    const committed = new Set<string>();
    for (let n = 0; n < 700; n++) {
      const chosen = ids.filter(() => random(2) === 0);
      const names = namesOf(`${n}`, n === 300 ? 1300 : 1 + random(4));
      await commit(instances[random(3)]!, chosen.length > 0 ? chosen : [ids[1]!], names);
      for (const name of names) committed.add(name);
    }
    const { log, stop } = await startLog(instances[0]!, { pollMs: 10 });
    const heard = recorder();
    log.follow(heard.listener);
    await heard.until(committed.size);
    check(heard.batches, committed);
    await stop();
    await close();
  });

  it('is made by fewer transactions than there are commits', async () => {
    const { store, ids, close } = await openStore(4);
    const shared = new SharedStore(store);
    const [writer, other] = [shared.instance(micros(0)), shared.instance(micros(0))];
    let orders = 0;
    const counted = new Proxy(other, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (name === 'write') orders += 1;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const transport = new StreamTransport(recordingLogger());
    const holder = await startLog(counted, { pollMs: 60_000 }, transport);
    const follower = await startLog(writer, { pollMs: 60_000 }, transport);
    const heard = recorder();
    follower.log.follow(heard.listener);
    await Promise.all(Array.from({ length: 400 }, (_, n) => commit(writer, [ids[n % 4]!], namesOf(`${n}`, 1))));
    await heard.until(400);
    assert.ok(orders < 200, `${orders} transactions`);
    await follower.stop();
    await holder.stop();
    await close();
  });

  it('gives no event a second place, where it was found before another gave it the first', async () => {
    const { store, ids, close } = await openStore(1);
    const instance = new SharedStore(store).instance(micros(0));
    await commit(instance, ids, namesOf('a', 2));
    const found = await store.read((tx) => tx.table(changesTable).find({ where: isNull('seq') }));
    const { log, stop } = await startLog(instance, { pollMs: 10 });
    while ((await log.head()) < 2) await setImmediate();
    await stop();
    // Each query of a transaction sees what was committed when it ran: this one the pending events, the next their places.
    const tableOf = (tx: WriteTransaction) => (table: AnyTable) =>
      instead(tx.table(table), 'find', (query: Find) => (query.orderBy ? tx.table(table).find(query) : found));
    const refused = Promise.withResolvers<unknown>();
    const late: Store = instead(instance, 'write', async (fn: (tx: WriteTransaction) => Promise<unknown>) => {
      try {
        return await instance.write((tx) => fn(instead(tx, 'table', tableOf(tx))));
      } catch (error) {
        refused.resolve(error);
        throw error;
      }
    });
    const ended = new AbortController();
    const running = new Orderer(late, () => refused.resolve('it gave them others'), recordingLogger()).run(
      ended.signal,
    );
    assert.ok(isStoreError(await refused.promise, 'conflict'));
    ended.abort();
    await running;
    const { rows } = await store.read((tx) => tx.table(changesTable).find());
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      [1, 2],
    );
    await close();
  });

  it('is said to be left to others once, each time that the store goes away', async () => {
    const { store, ids, close } = await openStore(1);
    const shared = new SharedStore(store);
    const instance = shared.instance(micros(0));
    let isAway = true;
    const leased: Store = instead(instance, 'lease', async (...args: Parameters<Store['lease']>) => {
      if (isAway) throw new StoreError('unavailable', 'the store is away');
      return instance.lease(...args);
    });
    const warnings = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let warned = 0;
    const log = Object.assign(recordingLogger(), { warn: () => warnings[warned++]?.resolve() });
    const ordered = Promise.withResolvers<void>();
    const ended = new AbortController();
    const running = new Orderer(leased, ordered.resolve, log).run(ended.signal);
    await warnings[0]!.promise;
    await commit(instance, ids, namesOf('a', 1));
    isAway = false;
    await ordered.promise;
    isAway = true;
    shared.lose('log.order')!();
    await warnings[1]!.promise;
    ended.abort();
    await running;
    assert.equal(warned, 2);
    await close();
  });

  it('goes on where the holder stops', async () => {
    const { store, ids, close } = await openStore(1);
    const shared = new SharedStore(store);
    const [a, b] = [shared.instance(micros(0)), shared.instance(micros(0))];
    const first = await startLog(a, { pollMs: 10 });
    const second = await startLog(b, { pollMs: 10 });
    const heard = recorder();
    second.log.follow(heard.listener);
    await commit(b, ids, namesOf('before', 2));
    await heard.until(2);
    await first.stop();
    await commit(b, ids, namesOf('after', 2));
    await heard.until(4);
    check(heard.batches, new Set([...namesOf('before', 2), ...namesOf('after', 2)]));
    await second.stop();
    const { rows } = await store.read((tx) => tx.table(changesTable).find({ where: isNull('seq') }));
    assert.equal(rows.length, 0);
    await close();
  });

  it('is not begun, nor anything else, by a log that is stopped while it begins with a store that came late', async () => {
    const { store, ids, close } = await openStore(1);
    const instance = new SharedStore(store).instance(micros(0));
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isThere = false;
    let listeners = 0;
    let leases = 0;
    const late: Store = new Proxy(instance, {
      get(_, key) {
        if (key === 'id' && !isThere) throw new StoreError('unavailable', 'the store is not there yet');
        if (key === 'ready')
          return async () => {
            isThere = true;
          };
        if (key === 'read')
          return async (...args: Parameters<Store['read']>) => {
            asked.resolve();
            await answered.promise;
            return instance.read(...args);
          };
        if (key === 'onCommit')
          return (...args: Parameters<Store['onCommit']>) => {
            listeners += 1;
            const end = instance.onCommit(...args);
            return () => {
              listeners -= 1;
              end();
            };
          };
        if (key === 'lease')
          return (...args: Parameters<Store['lease']>) => {
            leases += 1;
            return instance.lease(...args);
          };
        const value = Reflect.get(instance, key);
        return typeof value === 'function' ? value.bind(instance) : value;
      },
    });
    const { stop } = await startLog(late, { pollMs: 10, trimMs: 10 });
    await asked.promise;
    const stopped = stop();
    answered.resolve();
    await stopped;
    await commit(instance, ids, namesOf('after', 1));
    assert.deepEqual([listeners, leases], [0, 0]);
    await close();
  });
});
